"""The course of a training run, as `polypseg train` writes it to `history.csv`."""

import csv
from pathlib import Path

CURVES = ("loss", "dice", "recall", "precision")
COLUMNS = ("epoch", *CURVES, *(f"val_{name}" for name in CURVES), "learning_rate", "seconds")

History = dict[str, list[float]]


class HistoryError(Exception):
    """A history cannot be drawn; the message is one line."""


def read_history(path: Path) -> History:
    """Read the columns of a history.

    Args:
        path: A CSV file with one line for each epoch, counted from 0.

    Returns:
        The values of each of `COLUMNS`, one for each epoch; others are left out.

    Raises:
        HistoryError: The file cannot be read, a column is missing, or there is no epoch.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}.") from error
    if not lines:
        raise HistoryError(f"{path} holds no epoch.")
    missing = [name for name in COLUMNS if name not in lines[0]]
    if missing:
        raise HistoryError(f"{path} has no column '{missing[0]}'.")
    return {name: [float(line[name]) for line in lines] for name in COLUMNS}
