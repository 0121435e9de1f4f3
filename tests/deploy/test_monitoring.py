"""Alerts and dashboard ask for metrics that there are, and the operators' page explains them."""

import json
import re
from pathlib import Path

import pytest

from app.inference import Predictor, load_bundle
from app.telemetry.metrics import Metrics
from tests.bundles import write_tiny_bundle

ROOT = Path(__file__).parents[2]
ALERTS = (ROOT / "deploy/prometheus/alerts.yml").read_text()
TESTS = (ROOT / "deploy/prometheus/alerts_test.yml").read_text()
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/polypseg.json").read_text())
NAMES = re.findall(r"alert: (\w+)", ALERTS)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all series of a service, whether there was a request or not."""
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    text = Metrics(Predictor(load_bundle(root))).render().decode()
    found = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
        if kind == "histogram":
            found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
        else:
            found.add(name)
    return found


def asked(text: str) -> set[str]:
    """Return the names of the metrics in some queries."""
    return set(re.findall(r"\b(?:polypseg|process)_\w+", text))


def test_alerts_ask_for_metrics_that_exist(metrics: set[str]) -> None:
    expressions = re.sub(r"(?m)^ *(- )?(name|alert|summary):.*$", "", ALERTS)
    names = asked(expressions)
    assert len(names) >= 6
    assert names <= metrics


def test_the_dashboard_asks_for_metrics_that_exist(metrics: set[str]) -> None:
    targets = [t["expr"] for panel in DASHBOARD["panels"] for t in panel.get("targets", ())]
    names = asked(" ".join(targets))
    assert len(names) >= 10
    assert names <= metrics


def test_the_dashboard_shows_what_matters() -> None:
    targets = " ".join(t["expr"] for p in DASHBOARD["panels"] for t in p.get("targets", ()))
    for word in (
        *("requests_total", "stage_seconds", "queue_depth", "queue_limit", "batch_size"),
        *("dropped_total", "model_info", "engine_state"),
    ):
        assert word in targets


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tested_and_explained(name: str) -> None:
    assert f"alertname: {name}" in TESTS
    assert f"`{name}`" in (ROOT / "docs/deployment.md").read_text()
