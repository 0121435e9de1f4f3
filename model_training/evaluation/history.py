"""The course of a training run, as `polypseg train` writes it to `history.csv`."""

import csv
import json
from pathlib import Path
from typing import Any

from app.inference.bundle import TrainingRun
from model_training.card import OPERATING_POINT

CURVES = ("loss", "dice", "recall", "precision")
COLUMNS = ("epoch", *CURVES, "learning_rate", "seconds")
VALIDATION_COLUMNS = tuple(f"val_{name}" for name in CURVES)
"""Of runs that hold frames out."""

History = dict[str, list[float]]


class HistoryError(Exception):
    """A history cannot be drawn; the message is one line."""


def read_history(run: Path, training: TrainingRun) -> History:
    """Read the course of the run that a bundle was exported from.

    Args:
        run: Folder of the run: `manifest.json`, and `history.csv` with one line for each epoch,
            counted from 0.
        training: What the bundle's manifest says of its run.

    Returns:
        The values of each of `COLUMNS`, one for each epoch, and of `VALIDATION_COLUMNS` if the run
        held frames out; others are left out.

    Raises:
        HistoryError: A file cannot be read, a column is missing, there is no epoch, or the bundle
            was exported from another run.
    """
    path = run / "history.csv"
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        if not _is_of(manifest, training):
            raise HistoryError(f"{run} is not the run that the bundle was exported from.")
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        if not lines:
            raise HistoryError(f"{path} holds no epoch.")
        columns = COLUMNS + (VALIDATION_COLUMNS if training.validation_frames else ())
        missing = [name for name in columns if name not in lines[0]]
        if missing:
            raise HistoryError(f"{path} has no column '{missing[0]}'.")
        return {name: [float(line[name]) for line in lines] for name in columns}
    except OSError as error:
        raise HistoryError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise HistoryError(f"{run} does not hold a run and its history: {error}.") from error


def _is_of(manifest: dict[str, Any], training: TrainingRun) -> bool:
    settings = {**manifest["recipe"], "epochs_run": manifest["epochs"]}
    settings |= {name: manifest.get(name) for name in ("encoder_weights", "start")}
    names = ("commit", "seed", "split_hash", "data_hash")
    # A bundle keeps the settings that there were when it was exported; there may be more by now.
    # Whose operating point it took over is no matter of the run.
    return all(manifest[name] == getattr(training, name) for name in names) and all(
        settings.get(name) == value
        for name, value in training.settings.items()
        if name != OPERATING_POINT
    )
