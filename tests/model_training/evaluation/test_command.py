"""The command, from a bundle on disk to the report folder."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from sklearn.metrics import f1_score
from typer.testing import CliRunner, Result

from app.imaging import decode
from app.inference import load_bundle
from model_training.datasets import working_size
from model_training.evaluation.command import evaluate
from model_training.evaluation.history import COLUMNS
from model_training.evaluation.perturbations import PERTURBATIONS
from model_training.evaluation.predictions import predicted_mask, read_predictions
from model_training.evaluation.protocols import read_rows
from model_training.evaluation.record import read_record
from model_training.evaluation.shard_cost import read_shard_images
from model_training.publication import record
from model_training.splits import read_split

BundleOf = Callable[..., Path]


@pytest.fixture
def polypseg(data: Path, tmp_path: Path) -> Callable[..., Result]:
    cli = typer.Typer()
    cli.command()(evaluate)

    def run(model: Path, *arguments: str) -> Result:
        words = ["--model", str(model), "--data", str(data), "--out", str(tmp_path / "report")]
        return CliRunner().invoke(cli, [*words, *arguments])

    return run


def test_tutorial_and_negatives(
    polypseg: Callable[..., Result], bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    model = bundle_of("tutorial")
    training = load_bundle(model).manifest.training.model_dump()
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text(json.dumps({**training, "recipe": {}, "epochs": 1}))
    (run / "history.csv").write_text(",".join(COLUMNS) + "\n" + ",".join(["0.5"] * len(COLUMNS)))
    result = polypseg(model, "--run", str(run))
    assert result.exit_code == 0, result.output
    assert "Dice" in result.output
    assert "report.md" in result.output
    report = tmp_path / "report"
    assert (report / "learning_curves.png").exists()

    found = json.loads((report / "metrics.json").read_text())
    assert set(found) == {"tutorial", "negatives"}
    (row,) = read_rows("tutorial", data)
    scores = read_predictions(report / "tutorial" / "predictions.jsonl")
    dice = [
        f1_score(frame.read_mask().ravel() > 0, predicted_mask(score).ravel() > 0)
        for frame, score in zip(row.frames, scores, strict=True)
    ]
    figures = found["tutorial"]["figures"]
    assert 0.3 < figures["dice"] < 1
    assert figures["dice"] == pytest.approx(np.mean(dice))
    low, high = found["tutorial"]["intervals"]["dice"]
    assert low < figures["dice"] < high
    assert {"tutorial_dice", "tutorial_recall", "tutorial_precision"} <= figures.keys()
    assert found["negatives"]["figures"]["false_alarm_rate"] == 0.5


def test_shards_are_scored_beside_files(
    polypseg: Callable[..., Result], bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    from model_training.shards import ShardSettings
    from model_training.shards.writing import write_shards

    split = read_split("tutorial", data).limit(6)
    shards = tmp_path / "shards"
    write_shards(split, shards, ShardSettings(height=32, width=32, encoding="png"))
    images = read_shard_images(shards)
    assert list(images) == [frame.key for frame in split.test]
    for frame in split.test:
        pixels, _ = working_size(frame.read_image(), frame.read_mask(), 32, 32)
        np.testing.assert_array_equal(decode(images[frame.key]).pixels, pixels)

    result = polypseg(bundle_of("none"), "--protocol", "tutorial", "--shards", str(shards))
    assert result.exit_code == 0, result.output
    assert "The shards hold 6 of the 61 frames of 'tutorial'" in result.output
    scores = read_predictions(tmp_path / "report" / "tutorial" / "predictions.jsonl")
    assert [score.shard == score.mask for score in scores] == [True] * 6 + [False] * 55


def test_the_command_that_is_recorded_repeats_it(
    polypseg: Callable[..., Result], bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    model = bundle_of("pranet")
    result = polypseg(model, "--protocol", "negatives", "--engine", "onnxruntime")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert found["negatives"]["command"] == (
        f"polypseg evaluate --model {model} --data {data} --protocol negatives "
        f"--out {tmp_path / 'report'} --engine onnxruntime"
    )


def test_frames_are_scored_as_perturbations_leave_them(
    polypseg: Callable[..., Result], bundle_of: BundleOf, tmp_path: Path
) -> None:
    result = polypseg(bundle_of("none"), "--protocol", "negatives", "--robustness")
    assert result.exit_code == 0, result.output
    entry = json.loads((tmp_path / "report" / "metrics.json").read_text())["negatives"]
    assert entry["robustness"].keys() == PERTURBATIONS.keys()
    assert " --robustness " in entry["command"]
    # Three of the six show a red spot.
    assert entry["robustness"]["rotated by 90 degrees"]["figures"] == {"false_alarm_rate": 0.5}
    page = (tmp_path / "report" / "report.md").read_text()
    assert "| rotated by 90 degrees | 0.500 false alarms |" in page
    assert "0.500 false alarms" in result.output


def test_figures_are_recorded_beside_the_time_of_the_model(
    polypseg: Callable[..., Result], bundle_of: BundleOf, tmp_path: Path
) -> None:
    model = bundle_of("tutorial")
    time = {
        "ms": 14.0,
        "baseline_ms": 56.0,
        "ratio": 0.25,
        "ratio_low": 0.24,
        "ratio_high": 0.26,
        "turns": 100.0,
        "threads": 2.0,
    }
    record(load_bundle(model), {"model_time": time})

    result = polypseg(model, "--record", "--keep", str(tmp_path / "kept"))

    assert result.exit_code == 0, result.output
    sentence = "One image takes ONNX Runtime on 2 cores 14.0 ms, 0.250 (0.240 to 0.260) of the 56.0"
    bundle = load_bundle(model)
    for text in (
        result.output,
        (bundle.path / "model_card.md").read_text(),
        (tmp_path / "report" / "report.md").read_text(),
    ):
        assert sentence in text
    kept = read_record(tmp_path / "kept").record
    assert kept.measured == {"model_time": time}
    assert bundle.manifest.metrics["model_time"] == time
    figures = bundle.manifest.metrics["tutorial"]
    assert figures["dice"] == round(kept.rows["tutorial"].figures["dice"], 4)
    assert figures["dice_low"] < figures["dice"] < figures["dice_high"]
    assert 0 < figures["smallest_quarter_dice"] < 1


def test_the_folder_is_named_after_the_bundle(
    bundle_of: BundleOf, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bundle_of("tutorial")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYPSEG_DATA", str(data))
    cli = typer.Typer()
    cli.command()(evaluate)
    result = CliRunner().invoke(cli, ["--model", str(model), "--protocol", "negatives"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "reports" / "tiny-1" / "report.md").exists()


def test_missing_data_is_said_and_the_rest_is_scored(
    bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "negatives").symlink_to(data / "negatives")
    cli = typer.Typer()
    cli.command()(evaluate)
    words = ["--model", str(bundle_of("tutorial")), "--data", str(tmp_path), "--out"]
    result = CliRunner().invoke(cli, [*words, str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert "Protocol 'tutorial' is left out" in result.output


def test_seen_frames_are_refused_before_anything_is_written(
    polypseg: Callable[..., Result], bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    (row,) = read_rows("tutorial", data)
    seen = tuple(frame.key for frame in row.frames[:5])
    result = polypseg(bundle_of("pranet", train=seen), "--protocol", "tutorial")
    assert result.exit_code == 2
    assert "has seen 5 of the 61 frames of 'tutorial'" in result.stderr
    assert f"{seen[0]} (training)" in result.stderr
    assert "and 2 more" in result.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--protocol", "etis"), "Protocol 'etis' is unknown"),
        (("--run", "no-such-run"), "No such file"),
        (("--model", "no-such-model"), "'no-such-model' does not exist"),
        (("--data", "no-such-data", "--protocol", "tutorial"), "no-such-data does not hold"),
        (("--shards", "no-such-shards"), "no-such-shards"),
        (("--engine", "tensorflow"), "holds no SavedModel"),
        (("--keep", "/dev/null/kept"), "/dev/null/kept cannot be made a folder: Not a directory."),
    ],
)
def test_what_is_wrong_is_one_line(
    polypseg: Callable[..., Result], bundle_of: BundleOf, arguments: tuple[str, ...], sentence: str
) -> None:
    result = polypseg(bundle_of("tutorial"), *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_broken_frame_is_named(bundle_of: BundleOf, data: Path, tmp_path: Path) -> None:
    images = tmp_path / "broken" / "negatives" / "images"
    images.mkdir(parents=True)
    for source in (data / "negatives" / "images").iterdir():
        (images / source.name).write_bytes(source.read_bytes())
    whole = (images / "153.png").read_bytes()
    middle = len(whole) // 2
    (images / "153.png").write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    cli = typer.Typer()
    cli.command()(evaluate)
    words = ["--model", str(bundle_of("none")), "--data", str(tmp_path / "broken"), "--out"]
    result = CliRunner().invoke(cli, [*words, str(tmp_path / "report")])
    assert result.exit_code == 2
    assert "negatives/images/153.png: " in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["matplotlib", "sklearn"])
def test_a_missing_extra_is_one_line(module: str, bundle_of: BundleOf, data: Path) -> None:
    script = (
        f"import sys; sys.modules['{module}'] = None\n"
        "import typer\n"
        "from model_training.evaluation.command import evaluate\n"
        "typer.run(evaluate)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--model", bundle_of("tutorial"), "--data", data],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run requirements/install dev" in done.stderr
