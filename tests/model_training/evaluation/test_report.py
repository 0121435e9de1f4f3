"""The report folder: everything is there, everything is shown, and programs can read it."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from app.imaging import compress_rle, encode_rle
from app.inference import Engine, load_bundle
from model_training.datasets import Frame
from model_training.evaluation.history import COLUMNS
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.predictions import read_predictions
from model_training.evaluation.protocols import Row
from model_training.evaluation.report import rank, write_report
from model_training.evaluation.results import (
    Evaluation,
    metrics,
    result_lines,
    summarise,
    write_csv,
)
from tests.model_training.evaluation.conftest import IdleEngine, MakeScore

HISTORY = {name: [0.0, 0.5] for name in COLUMNS} | {"learning_rate": [1e-4, 1e-5]}


@pytest.fixture
def evaluation(frame: Frame, make_score: MakeScore, bundle_of: Callable[..., Path]) -> Evaluation:
    """Six frames with a polyp and three without, of which one was marked."""
    counts = compress_rle(encode_rle(frame.read_mask()))
    frames = [replace(frame, name=str(n)) for n in range(6)]
    healthy = [replace(frame, dataset="negatives", name=str(n), mask=None) for n in range(3)]
    scores = [
        replace(make_score(one.key, counts=(10 * n, 5, 7), size=(90, 150)), counts=counts)
        for n, one in enumerate(frames)
    ]
    quiet = [
        replace(make_score(one.key, counts=(0, 50 * n, 0), size=(90, 150)), counts=counts)
        for n, one in enumerate(healthy)
    ]
    bootstrap = Bootstrap(resamples=50)
    return Evaluation(
        bundle=load_bundle(bundle_of("tutorial")),
        engine=cast("Engine", IdleEngine()),
        reason="onnxruntime on the processor",
        command="polypseg evaluate --data data",
        bootstrap=bootstrap,
        results=(
            summarise(Row("pranet/drawn", tuple(frames), batch=4), tuple(scores), bootstrap),
            summarise(Row("negatives", tuple(healthy), polyps=False), tuple(quiet), bootstrap),
        ),
    )


def test_every_link_of_the_page_leads_to_a_file(evaluation: Evaluation, tmp_path: Path) -> None:
    page = write_report(tmp_path / "report", evaluation, HISTORY)
    assert json.loads((page.parent / "metrics.json").read_text()) == metrics(evaluation)
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    written = {
        str(path.relative_to(page.parent)) for path in page.parent.rglob("*") if path.is_file()
    }
    assert set(links) == written - {"report.md"}
    assert {Path(link).name for link in links if link.startswith("pranet/drawn/")} == {
        "per_image.csv",
        "predictions.jsonl",
        "dice_histogram.png",
        "dice_by_area.png",
        "reliability.png",
        "samples.png",
        "best.png",
        "median.png",
        "worst.png",
    }
    for link in links:
        if link.endswith(".png"):
            Image.open(page.parent / link).verify()
    for result in evaluation.results:
        kept = page.parent / result.row.name / "predictions.jsonl"
        assert read_predictions(kept) == result.scores


def test_the_page_says_what_it_is(evaluation: Evaluation, tmp_path: Path) -> None:
    brief = replace(evaluation, results=evaluation.results[1:])
    text = write_report(tmp_path, brief).read_text()
    assert text.index("Do not publish this folder") < 200
    assert "Research use only. Not a medical device." in text
    assert evaluation.bundle.sha256 in text
    assert "`polypseg evaluate --data data`" in text
    assert "| false alarms | 0.6667 (" in text
    assert "Not drawn: `--run`" in text
    assert not (tmp_path / "learning_curves.png").exists()


def test_quiet_negatives_are_said_in_words(evaluation: Evaluation, tmp_path: Path) -> None:
    _, negatives = evaluation.results
    quiet = summarise(negatives.row, negatives.scores[:1], evaluation.bootstrap)
    page = write_report(tmp_path / "report", replace(evaluation, results=(quiet,)))
    assert "No pixel of any frame was marked." in page.read_text()
    assert not list(page.parent.rglob("*.png"))


def test_metrics_stand_for_themselves(evaluation: Evaluation) -> None:
    record = metrics(evaluation)
    assert set(record) == {"pranet/drawn", "negatives"}
    result, entry = evaluation.results[0], record["pranet/drawn"]
    assert entry["figures"] == result.figures.values
    assert entry["intervals"]["dice"] == list(result.figures.intervals["dice"])
    assert entry["command"] == "polypseg evaluate --data data"
    assert entry["bundle"]["sha256"] == evaluation.bundle.sha256
    assert entry["bundle"]["files"].keys() == {"model.onnx"}
    assert entry["frames"] == [frame.key for frame in result.row.frames]
    assert entry["sequences"] == 6
    assert entry["infer_ms_median"] == 10.0
    assert record["negatives"]["figures"]["false_alarm_rate"] == pytest.approx(2 / 3)


def test_figures_fit_into_a_manifest(evaluation: Evaluation) -> None:
    manifest = evaluation.bundle.manifest
    figures = {name: entry["figures"] for name, entry in metrics(evaluation).items()}
    values = manifest.model_dump() | {"metrics": figures}
    assert type(manifest).model_validate(values).metrics["pranet/drawn"]["dice"] > 0


def test_csv_has_a_line_for_each_frame(evaluation: Evaluation, tmp_path: Path) -> None:
    result = evaluation.results[0]
    write_csv(tmp_path / "per_image.csv", result.scores)
    with (tmp_path / "per_image.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["frame"] for line in lines] == [score.key for score in result.scores]
    last = lines[-1]
    tp, predicted, polyp = (
        int(last[name]) for name in ("true_positive_px", "predicted_px", "polyp_px")
    )
    assert float(last["dice"]) == pytest.approx(2 * tp / (predicted + polyp))
    assert float(last["recall"]) == pytest.approx(tp / polyp)
    assert float(last["precision"]) == pytest.approx(tp / predicted)


def test_table_has_a_column_for_each_row(evaluation: Evaluation) -> None:
    heading, *lines = result_lines(evaluation.results)
    assert heading == ("", "pranet/drawn", "negatives")
    cells = {line[0]: line[1:] for line in lines}
    assert cells["frames"] == ("6", "3")
    assert re.fullmatch(r"0\.\d{4} \(0\.\d{3}-0\.\d{3}\)", cells["Dice"][0])
    assert cells["Dice"][1] == ""
    assert cells["false alarms"][1].startswith("0.6667 (")
    assert "tutorial's Dice" in cells


def test_a_figure_without_an_interval_stands_alone(evaluation: Evaluation) -> None:
    result = evaluation.results[0]
    scores = tuple(replace(score, sequence="one") for score in result.scores)
    lines = {
        line[0]: line[1] for line in result_lines([summarise(result.row, scores, Bootstrap())])
    }
    assert re.fullmatch(r"0\.\d{4}", lines["Dice"])


def test_rank_keeps_the_kinds_apart(make_score: MakeScore) -> None:
    scores = [make_score(f"{n:02}", counts=(n, 10, 10)) for n in (7, 3, 1, 9, 5, 4, 8, 2, 6, 0)]
    names = {kind: [s.key for s in chosen] for kind, chosen in rank(scores, 10).items()}
    assert names == {
        "best": ["09", "08", "07"],
        "median": ["06", "05", "04"],
        "worst": ["00", "01", "02"],
    }
    assert [s.key for s in rank(scores, 2)["median"]] == ["05", "04"]
    assert all(len(chosen) == 1 for chosen in rank(scores[:1], 10).values())
