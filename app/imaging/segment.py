"""From a probability map to a mask, its regions and their scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging.field import Field

MAX_REGIONS: Final = 100
"""Regions that are listed; smaller ones stay in the mask."""


@dataclass(frozen=True, slots=True)
class Region:
    """An 8-connected component of a mask.

    Attributes:
        bbox: `(x, y, width, height)` in pixels.
        area_px: Area in pixels.
        score: Highest probability in the region, in [0, 1].
    """

    bbox: tuple[int, int, int, int]
    area_px: int
    score: float


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What was found in an image, at source size.

    Attributes:
        mask: uint8 `[H, W]`, 0 or 255.
        regions: Largest first, at most `MAX_REGIONS`; of equal ones, the topmost first.
        area_px: Foreground pixels of the mask.
        score: Highest probability in the mask, or in the image when the mask is empty.
        threshold: Probability from which on a pixel is foreground.
    """

    mask: NDArray[np.uint8]
    regions: tuple[Region, ...]
    area_px: int
    score: float
    threshold: float

    def within(self, field: Field, height: int, width: int) -> Segmentation:
        """Return what was found in a part of a frame as found in the frame.

        Args:
            field: The part that this is of, in pixels of the frame.
            height: Of the frame in pixels.
            width: Of the frame in pixels.

        Returns:
            The mask uint8 `[height, width]`, 0 outside the part, and the boxes where they lie.
        """
        regions = tuple(
            replace(region, bbox=(x + field.left, y + field.top, w, h))
            for region in self.regions
            for x, y, w, h in [region.bbox]
        )
        return replace(self, mask=field.place(self.mask, height, width), regions=regions)


def segment(
    probability: NDArray[np.float32], threshold: float, *, min_area: int = 0
) -> Segmentation:
    """Thresholds a probability map and finds its regions.

    Args:
        probability: float32 `[H, W]` in [0, 1], at source size.
        threshold: In (0, 1); a pixel is foreground where its probability is at least that.
        min_area: Regions of fewer pixels are removed from the mask; 0 keeps all.

    Returns:
        The mask, its regions and its score.
    """
    # Bytes all along; numpy.where takes four times as long.
    mask = (probability >= float(threshold)).view(np.uint8) * np.uint8(255)
    regions, area, score = _take_regions(mask, probability, min_area)
    if not regions:
        score = float(probability.max())
    # Interpolation may overshoot 1 by a rounding error.
    return Segmentation(mask, regions, area, min(1.0, score), threshold)


def _take_regions(
    mask: NDArray[np.uint8], probability: NDArray[np.float32], min_area: int
) -> tuple[tuple[Region, ...], int, float]:
    """Lists the regions of `mask`, with their total area and highest score.

    Regions under `min_area` are removed from `mask` itself.
    """
    # Labels, and their areas above all, are the costly step: look at the bounding box alone.
    x, y, width, height = cv2.boundingRect(mask)
    if width == 0:
        return (), 0, 0.0
    box = mask[y : y + height, x : x + width]
    part = probability[y : y + height, x : x + width]
    count, _ = cv2.connectedComponents(box, connectivity=8)
    area = cv2.countNonZero(box)
    if count == 2 and area >= min_area:  # one region, as nearly always: no need to label it
        score = float(cv2.minMaxLoc(part, box)[1])
        return (Region((x, y, width, height), area, min(1.0, score)),), area, score
    _, labels, stats, _ = cv2.connectedComponentsWithStats(box, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = areas >= min_area
    kept[0] = False  # label 0 is the background
    if not kept[1:].all():
        box[:] = np.where(kept, np.uint8(255), np.uint8(0))[labels]
        if not kept.any():
            return (), 0, 0.0
    scores = np.zeros(len(stats), np.float32)
    # It keeps the interpreter's lock: over the regions alone, not over all that is between them.
    inside = box != 0
    np.maximum.at(scores, labels[inside], part[inside])
    found = np.flatnonzero(kept)
    # Stable: of equal areas the topmost comes first, as labels count from the top.
    largest = found[np.argsort(-areas[found], kind="stable")][:MAX_REGIONS]
    regions = tuple(
        Region((left + x, top + y, w, h), px, min(1.0, score))
        for (left, top, w, h, px), score in zip(
            stats[largest].tolist(), scores[largest].tolist(), strict=True
        )
    )
    return regions, int(areas[found].sum()), float(scores[found].max())
