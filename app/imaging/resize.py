"""The one resize: training, evaluation and serving must see the same pixels."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

# One picture, one thread: what runs side by side is requests, or examples in training. OpenCV's
# threads wait by spinning, and where cores are few or busy they burn several times what they save.
cv2.setNumThreads(1)

RESIZE_VERSION = 3
"""Counted up when `resize` or the field of view gives other pixels: what was resized before is not
to be used then."""

_Sample = TypeVar("_Sample", np.uint8, np.float32)


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Stretches an image to a size; the aspect ratio is not kept.

    While both sides are even and at least twice as long as they shall be, the image is halved, two
    by two pixels, each time rounded: several times as fast as an average in one step. Then each
    axis that shrinks is averaged over the area that a target pixel covers, so that no detail
    aliases; each axis that grows is interpolated linearly.

    Args:
        pixels: uint8 `[H, W, 3]`, or `[H, W]` for a mask.
        height: Target height in pixels, at least 1.
        width: Target width in pixels, at least 1.

    Returns:
        uint8 `[height, width, 3]` or `[height, width]`; `pixels` itself if it has that size.
    """
    rows, columns = pixels.shape[:2]
    while rows % 2 == columns % 2 == 0 and rows >= 2 * height and columns >= 2 * width:
        rows, columns = rows // 2, columns // 2
        pixels = _stretch(pixels, rows, columns)
    return _stretch(pixels, height, width)


def upsample(probability: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Brings a probability map to source size, linearly.

    Thresholding comes after this, so that the contour is smooth at source size. A source smaller
    than the map is averaged by area.

    Args:
        probability: float32 `[h, w]` in [0, 1].
        height: Source height in pixels, at least 1.
        width: Source width in pixels, at least 1.

    Returns:
        float32 `[height, width]`; `probability` itself if it has that size.
    """
    return _stretch(probability, height, width)


def _stretch(array: NDArray[_Sample], height: int, width: int) -> NDArray[_Sample]:
    # Two steps: asked to shrink one axis and grow the other, OpenCV's area mode would
    # interpolate both, and alias.
    shrunk = (min(height, array.shape[0]), min(width, array.shape[1]))
    for size, mode in ((shrunk, cv2.INTER_AREA), ((height, width), cv2.INTER_LINEAR)):
        if array.shape[:2] != size:
            array = np.asarray(cv2.resize(array, size[::-1], interpolation=mode), array.dtype)
    return array
