"""Pictures of a result: the mask, the probability map, and the image with its contour."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.png import Filter, write_png

_CONTOUR: Final = (64, 255, 64)  # no tissue is green
_CASING: Final = (0, 0, 0)  # and it stays visible on burnt-in green insets


def render_png(mask: NDArray[np.uint8]) -> bytes:
    """Writes a mask as a PNG.

    Args:
        mask: uint8 `[H, W]`, 0 or 255.

    Returns:
        A PNG of one 8-bit channel. Not one of 1 bit: many readers hand that out as 0 and 1.
    """
    return write_png(mask, Filter.NONE)


def render_probability(probability: NDArray[np.float32]) -> bytes:
    """Writes a probability map as a PNG.

    Args:
        probability: float32 `[H, W]` in [0, 1].

    Returns:
        A PNG of one 8-bit channel; 255 is probability 1, rounded to the nearest step.
    """
    return write_png(cv2.convertScaleAbs(probability, alpha=255), Filter.UP)


def render_overlay(pixels: NDArray[np.uint8], mask: NDArray[np.uint8]) -> bytes:
    """Writes an image with the contour of a mask.

    The line lies on the boundary, so that nothing inside a region is covered.

    Args:
        pixels: RGB uint8 `[H, W, 3]`.
        mask: uint8 `[H, W]`, 0 or 255; holes have a contour too.

    Returns:
        A PNG of three 8-bit channels.
    """
    picture = pixels.copy()
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    line = max(1, round(min(mask.shape) / 250))
    for colour, thickness in ((_CASING, line + 2), (_CONTOUR, line)):
        cv2.drawContours(picture, contours, -1, colour, thickness, cv2.LINE_AA)
    return write_png(picture, Filter.UP)
