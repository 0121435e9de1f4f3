"""The page about observability: its tables are what a service tells."""

import dataclasses
import json
import re

from app.telemetry.record import STAGES, Record
from tests.service.conftest import ROOT, Service
from tests.service.scraping import scrape

TEXT = (ROOT / "docs" / "observability.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    (rows,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in str(rows).splitlines()]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_metrics(service: Service, jpeg: bytes) -> None:
    assert service.post("/predict", content=jpeg).status_code == 200
    scraped = scrape(service)
    rows = {
        name.strip("`"): (kind, words(labels), text) for name, kind, labels, text in table("metric")
    }
    assert rows == {
        name: (family.type, scraped.labels[name], family.documentation)
        for name, family in scraped.families.items()
    }
    assert list(rows) == list(scraped.families)


def test_values_of_labels(service: Service) -> None:
    scraped = scrape(service)
    for metric, label in (
        ("polypseg_stage_seconds", "stage"),
        ("polypseg_engine_state", "state"),
        ("polypseg_dropped_total", "reason"),
    ):
        values = {sample.labels[label] for sample in scraped.families[metric].samples}
        (sentence,) = re.findall(rf"^- `{label}` is (.*?)(?:[;.]\s)", TEXT, re.M | re.S)
        assert words(sentence) == values


def test_fields_of_the_log(service: Service, jpeg: bytes) -> None:
    service.post("/predict", content=jpeg, headers={"X-Request-Id": "fields"})
    line = service.wait_log(request_id="fields")
    fields = [name.strip("`") for name, _ in table("field")]
    inner = {"started", "timings_ms", "total_ms"}
    of_records = {field.name for field in dataclasses.fields(Record)} - inner
    of_lines = {"time", "level", "logger", "event", "timing_ms"}
    assert set(fields) == of_records | of_lines
    assert set(line) == set(fields) - {"code", "aborted"}
    (shown,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert list(json.loads(shown)) == list(line)


def test_stages(service: Service, jpeg: bytes) -> None:
    stages = [name.strip("`") for name, _ in table("stage")]
    assert stages == [*STAGES, "total"]
    (shown,) = re.findall(r"^Server-Timing: (.*)$", TEXT, re.MULTILINE)
    real = service.post("/predict", content=jpeg).headers["Server-Timing"]
    assert re.sub(r"\d+\.\d\d", "0.00", shown) == re.sub(r"\d+\.\d\d", "0.00", real)
