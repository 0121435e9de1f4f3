"""Reading the history of the run that a bundle was exported from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.inference.bundle import TrainingRun
from model_training.evaluation.history import (
    COLUMNS,
    VALIDATION_COLUMNS,
    HistoryError,
    read_history,
)
from model_training.recipes import RECIPES
from model_training.run import Run, RunManifest

ROWS = (
    "0.0,0.5,0.4,0.3,0.2,0.0001,50.5,0.6,0.5,0.4,0.3,x",
    "1.0,0.4,0.5,0.4,0.3,1e-05,49.5,0.5,0.6,0.5,0.4,y",
)
HEADING = ",".join((*COLUMNS, *VALIDATION_COLUMNS, "note"))
PLAN = RunManifest(
    recipe=RECIPES["few"],
    seed=1,
    split="tutorial",
    split_hash="0" * 64,
    data_hash="1" * 64,
    train_frames=("cvc-clinicdb/1",),
    validation_frames=("cvc-clinicdb/2",),
    encoder_weights="imagenet",
    commit="2" * 40,
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", PLAN)
    (run.path / "history.csv").write_text("\n".join((HEADING, *ROWS, "")))
    run.finish(epochs=len(ROWS))
    return run


def exported_from(manifest: RunManifest) -> TrainingRun:
    """What a bundle keeps of a run, in an older version that knew fewer settings."""
    settings = manifest.recipe.settings()
    del settings["precision"]
    return TrainingRun(
        commit=manifest.commit,
        recipe=manifest.recipe.name,
        seed=manifest.seed,
        split=manifest.split,
        split_hash=manifest.split_hash,
        data_hash=manifest.data_hash,
        settings=settings
        | {
            "encoder_weights": manifest.encoder_weights,
            "start": manifest.start,
            "epochs_run": manifest.epochs,
        },
        validation_frames=manifest.validation_frames,
    )


def test_the_columns_that_training_writes(run: Run) -> None:
    history = read_history(run.path, exported_from(run.manifest))
    assert set(history) == {*COLUMNS, *VALIDATION_COLUMNS}
    assert history["epoch"] == [0, 1]
    assert history["val_dice"] == [0.5, 0.6]
    assert history["learning_rate"] == [1e-4, 1e-5]


def test_a_run_that_held_nothing_out_has_no_columns_of_validation(run: Run) -> None:
    (run.path / "history.csv").write_text(f"{','.join(COLUMNS)}\n0,0.5,0.4,0.3,0.2,0.0001,50\n")
    training = exported_from(run.manifest)

    alone = training.model_copy(update={"validation_frames": ()})
    assert set(read_history(run.path, alone)) == set(COLUMNS)
    with pytest.raises(HistoryError, match="has no column 'val_loss'"):
        read_history(run.path, training)


def test_a_bundle_that_took_an_operating_point_over_is_of_its_run(run: Run) -> None:
    training = exported_from(run.manifest)
    borrowed = {**training.settings, "operating_point": "4" * 64}
    taken = training.model_copy(update={"settings": borrowed})
    assert read_history(run.path, taken)["epoch"] == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, seed=2, epochs=2),
        replace(PLAN, data_hash="3" * 64, epochs=2),
        replace(PLAN, recipe=replace(PLAN.recipe, batch=4), epochs=2),
        replace(PLAN, start="4" * 64, epochs=2),
        replace(PLAN, epochs=3),
    ],
    ids=["seed", "data", "recipe", "start", "epochs"],
)
def test_the_history_of_another_run_is_refused(run: Run, other: RunManifest) -> None:
    with pytest.raises(HistoryError, match="is not the run that the bundle was exported from"):
        read_history(run.path, exported_from(other))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "holds no epoch", id="empty"),
        pytest.param(HEADING.encode() + b"\n", "holds no epoch", id="heading alone"),
        pytest.param(b"epoch,loss\n0,1\n", "has no column 'dice'", id="column missing"),
        pytest.param(HEADING.encode() + b"\n0.0,0.5\n", "does not hold a run", id="short row"),
        pytest.param(HEADING.encode() + b"\n" + b"a," * 12, "does not hold a run", id="text"),
        pytest.param(b"\xff" + HEADING.encode(), "does not hold a run", id="no UTF-8"),
    ],
)
def test_a_file_that_is_no_history(run: Run, content: bytes, fault: str) -> None:
    (run.path / "history.csv").write_bytes(content)
    with pytest.raises(HistoryError, match=fault):
        read_history(run.path, exported_from(run.manifest))


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"recipe": {}})])
def test_a_manifest_that_is_none(run: Run, text: str) -> None:
    (run.path / "manifest.json").write_text(text)
    with pytest.raises(HistoryError, match="does not hold a run"):
        read_history(run.path, exported_from(run.manifest))


@pytest.mark.parametrize("name", ["manifest.json", "history.csv"])
def test_no_file(run: Run, name: str) -> None:
    (run.path / name).unlink()
    with pytest.raises(HistoryError, match=f"{name} cannot be read: No such file"):
        read_history(run.path, exported_from(run.manifest))
