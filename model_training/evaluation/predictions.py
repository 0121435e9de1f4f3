"""Keeps what was predicted, one JSON line a frame: masks as RLE, never an image."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.imaging import decode_rle
from model_training.evaluation.scoring import FrameScore

_LINE = TypeAdapter(FrameScore)


def write_predictions(path: Path, scores: Iterable[FrameScore]) -> None:
    """Write scores so that every figure and every mask can be had again from the file alone."""
    path.write_bytes(to_lines(scores))


def read_predictions(path: Path) -> tuple[FrameScore, ...]:
    """Read the scores of a file, in its order.

    Raises:
        pydantic.ValidationError: A line is not a score.
    """
    return from_lines(path.read_bytes())


def to_lines(scores: Iterable[FrameScore]) -> bytes:
    """Write scores as JSON, one a line."""
    return b"".join(_LINE.dump_json(score) + b"\n" for score in scores)


def from_lines(lines: bytes) -> tuple[FrameScore, ...]:
    """Read what `to_lines` wrote.

    Raises:
        pydantic.ValidationError: A line is not a score.
    """
    return tuple(_LINE.validate_json(line) for line in lines.splitlines())


def predicted_mask(score: FrameScore) -> NDArray[np.uint8]:
    """Decode the mask of a frame: `[H, W]` at source size, 0 or 255."""
    return decode_rle(score.counts, score.height, score.width)
