"""The field of view: the part of a frame in which an endoscope shows something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_BLACK: Final = 24
"""Brightest channel up to which a pixel counts as black: noise and compression leave that much."""
_LIT_SHARE: Final = 0.02
"""Share of a row or column that must be brighter, so that specks in the border do not count."""
_LEAST: Final = 0.25
"""Share of either side that a field takes at least; a dark frame is no narrow field."""
_SAMPLES: Final = 96
"""About so many rows and columns are looked at."""
_GRID: Final = 8
"""A field begins and ends on multiples of this, or with the frame: so it can be halved thrice, and
cut out of a picture that was decoded at an eighth of its size."""

_Sample = TypeVar("_Sample", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Field:
    """A rectangle of a frame, in source pixels.

    Attributes:
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    top: int
    left: int
    height: int
    width: int

    def crop(self, pixels: NDArray[np.uint8], shrink: int = 1) -> NDArray[np.uint8]:
        """Return a view of this part of `[H / shrink, W / shrink, ...]`."""
        top, left = self.top // shrink, self.left // shrink
        return pixels[
            top : top + self.height // shrink,
            left : left + self.width // shrink,
        ]

    def place(self, part: NDArray[_Sample], height: int, width: int) -> NDArray[_Sample]:
        """Put what is known of this part into a frame that is 0 elsewhere.

        Args:
            part: A map or a mask, float32 or uint8 `[self.height, self.width]`.
            height: Of the frame in pixels.
            width: Of the frame in pixels.

        Returns:
            `[height, width]` of the same type; `part` itself if it has that size.
        """
        if part.shape == (height, width):
            return part
        whole = np.zeros((height, width), part.dtype)
        whole[self.top : self.top + self.height, self.left : self.left + self.width] = part
        return whole


def field_of_view(pixels: NDArray[np.uint8], shrink: int = 1) -> Field:
    """Find the rectangle around what is not black at the edges of a frame.

    Video processors put a black border of their own around the picture; without it a polyp is as
    large, and in the same surroundings, whatever made the frame. Text or an inset in the border
    belongs to the rectangle.

    Args:
        pixels: uint8 `[H / shrink, W / shrink, 3]`.
        shrink: By how much both sides were divided, without a rest: 1, 2, 4 or 8.

    Returns:
        The rectangle, in source pixels; the whole frame where little of it is lit.
    """
    height, width = (side * shrink for side in pixels.shape[:2])
    down, across = (max(1, side // _SAMPLES) for side in (height, width))
    # The rows and columns of the source, wherever they are in a smaller picture.
    rows, columns = (
        np.arange(0, side, step) // shrink for side, step in ((height, down), (width, across))
    )
    red, green, blue = np.moveaxis(pixels[rows].take(columns, axis=1), 2, 0) > _BLACK
    lit = red | green | blue  # a tenth of the time of `any`
    top, tall = _extent(lit.mean(axis=1), down, height)
    left, wide = _extent(lit.mean(axis=0), across, width)
    return Field(top, left, tall, wide)


def _extent(shares: NDArray[np.float64], step: int, side: int) -> tuple[int, int]:
    """Return where the lit part of an axis begins and how long it is, in source pixels."""
    lit = np.flatnonzero(shares > _LIT_SHARE)
    if lit.size == 0:
        return 0, side
    # What lies between two samples is taken for lit.
    first = max(0, (int(lit[0]) - 1) * step + 1) // _GRID * _GRID
    last = min(side, -(-(int(lit[-1]) + 1) * step // _GRID) * _GRID)
    return (first, last - first) if last - first >= _LEAST * side else (0, side)
