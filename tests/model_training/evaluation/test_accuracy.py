"""The accuracy page says what the records say, and the records what was predicted."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.inference import load_bundle
from model_training.cli import cli
from model_training.datasets.lists import clinicdb_sequences
from model_training.evaluation.accuracy import tables
from model_training.evaluation.calibration import bin_pixels
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.page import fill
from model_training.evaluation.protocols import Row
from model_training.evaluation.record import Kept, read_records
from model_training.evaluation.results import summarise
from tests.model_training.evaluation.conftest import MakeKept, score_of

ROOT = Path(__file__).parents[3]
FEW = Bootstrap(resamples=50)


def test_the_page_is_what_the_records_say() -> None:
    page = (ROOT / "docs" / "accuracy.md").read_text()
    assert fill(page, tables(read_records(ROOT / "records"), Bootstrap())) == page


def test_the_records_are_what_was_predicted() -> None:
    records = read_records(ROOT / "records")
    assert records
    for kept in records:
        for name, row in kept.record.rows.items():
            scores = kept.scores(name)
            batch = 8 if name == "tutorial" else None
            polyps = name != "negatives"
            figures = summarise(Row(name, (), polyps, batch), scores, FEW).figures
            assert figures.values == pytest.approx(row.figures)


def test_records_hold_no_image() -> None:
    names = {path.name for path in (ROOT / "records").rglob("*") if path.is_file()}
    assert all(re.fullmatch(r"record\.json|[a-z0-9-]+\.jsonl\.gz", name) for name in names)


def test_what_ships_was_recorded() -> None:
    """Figures in the manifest of a bundle are those of the record of its model."""
    records = {kept.record.weights_sha256: kept.record for kept in read_records(ROOT / "records")}
    for root in (ROOT / "models").iterdir():
        manifest = load_bundle(root).manifest
        record = records.get(manifest.files["model.onnx"])
        assert record, f"{root}: evaluate it with --record --keep records/NAME"
        for name, row in record.rows.items():
            for figure, value in row.figures.items():
                assert manifest.metrics[name][figure] == pytest.approx(value, abs=5.1e-5)


@pytest.fixture
def records(make_kept: MakeKept, tmp_path: Path) -> list[Kept]:
    """Two seeds on PraNet's split, of which one was perturbed, and five folds."""
    truth = np.full((10, 10), 255, np.uint8)
    sure, unsure = (
        bin_pixels(np.full((10, 10), p, np.float32), truth)
        for p in (np.float32(1), np.float32(0.5))
    )
    kept = [
        make_kept(
            tmp_path / f"light-pranet-{seed}",
            {
                "pranet/cvc-clinicdb": [score_of("cvc-clinicdb/1", calibration=sure)],
                "pranet/kvasir-seg": [
                    score_of(f"kvasir-seg/{n}", counts=(60 + 10 * seed, n, 20), calibration=unsure)
                    for n in range(8)
                ],
                "negatives": [score_of("negatives/1", counts=(0, seed, 0))],
            },
            seed=seed,
            metrics={
                "validation": {"ece_before": 0.125, "ece": 0.0625},
                "model_time": {
                    "ms": 14.0,
                    "baseline_ms": 56.0,
                    "ratio": 0.25,
                    "ratio_low": 0.24,
                    "ratio_high": 0.26,
                    "threads": 2,
                },
            },
            robust=seed == 1,
        )
        for seed in range(2)
    ]
    for fold in range(5):
        frames = {n: video for n, video in clinicdb_sequences().items() if video % 5 == fold}
        scores = [
            score_of(f"cvc-clinicdb/{n}", counts=(90, video, 0), sequence=f"cvc-clinicdb/{video}")
            for n, video in frames.items()
        ]
        name = f"sequence-{fold}"
        kept.append(make_kept(tmp_path / f"light-{name}", {name: scores}, split=name))
    return kept


def test_seeds_folds_and_the_rest_stand_in_their_tables(records: list[Kept]) -> None:
    found = tables(records, FEW)

    kvasir = [run.record.rows["pranet/kvasir-seg"].figures["dice"] for run in records[:2]]
    mean, deviation = np.mean(kvasir), np.std(kvasir, ddof=1)
    assert f"| {mean:.3f} | 0.750 | mean of 2 seeds |" in found["published"]
    assert "| Polyp-PVT | 25.1 |  | 0.917 | 0.937 |" in found["published"]
    assert (
        f"| `light` | pranet/kvasir-seg | Dice | 0: {kvasir[0]:.4f}, 1: {kvasir[1]:.4f} "
        f"| {mean:.4f} ± {deviation:.4f} |"
    ) in found["seeds"]
    dice = np.mean([180 / (180 + video) for video in clinicdb_sequences().values()])
    assert f"| `light` | {dice:.4f} (" in found["folds"]
    assert found["sequences"].splitlines()[2].startswith("| `light` | 29 |")
    assert len(found["sequences"].splitlines()) == 2 + 29
    assert "| `light` on pranet, seed 1 | 1 | 1.0000 (0.207 to 1.000)" in found["negatives"]
    assert "| 14.0 | 56.0 | 0.250 (0.240 to 0.260) | 2 |" in found["time"]
    # One sure frame and eight of which half of the pixels are right, pooled.
    assert f"| 0.1250 | 0.0625 | {8 * 0.5 / 9:.4f} |" in found["calibration"]
    assert "| foggy | Dice 0.5000 (" in found["robustness"]
    assert "seed 0" not in found["robustness"]
    assert "sequence (five folds) | largest quarter" in found["area"]
    assert "seed 1 | pranet/kvasir-seg | smallest quarter" in found["area"]
    assert found["records"].count("`light-sequence-") == 5
    assert "| published tutorial |" in found["tutorial"]


def test_a_network_of_the_other_data_set_stands_in_a_table_of_its_own(
    records: list[Kept], make_kept: MakeKept, tmp_path: Path
) -> None:
    rows = {"kvasir": [score_of("cvc-clinicdb/1", counts=(90, 10, 10))]}
    abroad = make_kept(tmp_path / "light-kvasir-0", rows, split="kvasir")
    found, before = tables([*records, abroad], FEW), tables(records, FEW)
    assert before["hospital"] == "Not measured yet."
    assert "| `light` on kvasir, seed 0 | 0.9000" in found["hospital"]
    for name in ("published", "seeds", "folds", "tutorial"):
        assert found[name] == before[name]


def test_a_network_of_all_frames_stands_beside_those_that_chose_its_settings(
    records: list[Kept], make_kept: MakeKept, tmp_path: Path
) -> None:
    rows = {"pranet/kvasir-seg": [score_of("kvasir-seg/1", counts=(90, 10, 10))]}
    full = make_kept(tmp_path / "light-pranet-full-7", rows, split="pranet-full", seed=7)
    found, before = tables([*records, full], FEW), tables(records, FEW)

    assert "| **`light` on all frames** |" in found["published"]
    assert "| `light` on all frames | pranet/kvasir-seg | Dice | 7: 0.9000 |" in found["seeds"]
    assert (
        "| `light` on pranet-full, seed 7 | 1 | 0.5 | taken over | taken over |"
        in (found["calibration"])
    )
    for name in ("published", "seeds"):
        assert set(before[name].splitlines()) < set(found[name].splitlines())


def test_folds_that_are_missing_are_said(records: list[Kept]) -> None:
    found = tables(records[:-1], FEW)
    assert "of the 612 frames of CVC-ClinicDB" in found["folds"]
    assert found["sequences"] == "Not measured yet."


def test_without_records_nothing_is_claimed() -> None:
    found = tables([], FEW)
    for name in found.keys() - {"published", "tutorial"}:
        assert found[name] == "Not measured yet."


def test_the_command_writes_the_page(records: list[Kept], tmp_path: Path) -> None:
    page = tmp_path / "accuracy.md"
    text = (ROOT / "docs" / "accuracy.md").read_text()
    page.write_text(text)
    words = ["accuracy", "--records", str(records[0].folder.parent), "--page", str(page)]

    done = CliRunner().invoke(cli, words)

    assert done.exit_code == 0, done.output
    assert "7 records" in done.output
    assert page.read_text() == fill(text, tables(read_records(tmp_path), Bootstrap()))
    words[2] = str(tmp_path / "nowhere")
    failed = CliRunner().invoke(cli, words)
    assert failed.exit_code == 2
    assert failed.stderr.count("\n") == 1
