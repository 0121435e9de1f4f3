"""A picture page of what an augmentation does, and how long it takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging import phantom
from model_training.augmentation.augmentation import Augmentation
from model_training.augmentation.pixels import Pixels

Example = tuple[Pixels, Pixels]

_CONTOUR = (0, 255, 0)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of processor time that one call takes: other work on the machine hardly counts.

    Attributes:
        median: Of all calls.
        mean: Of all calls: what an epoch costs, divided by its examples.
        slowest: 95th percentile.
    """

    median: float
    mean: float
    slowest: float


def phantoms(count: int, height: int, width: int) -> list[Example]:
    """Generate examples that show no patient.

    Args:
        count: How many.
        height: Rows of each.
        width: Columns of each.

    Returns:
        Images uint8 `[height, width, 3]` with masks uint8 `[height, width]`, 0 or 1.
    """
    drawn = (phantom(height, width, seed=seed) for seed in range(count))
    return [(image, np.asarray(mask // 255, np.uint8)) for image, mask in drawn]


def draw_page(
    examples: Sequence[Example], augmentation: Augmentation, *, columns: int, seed: int
) -> Pixels:
    """Draw a row for each example: itself, then augmented ones, with the contours of the masks.

    Grafts come from the row above, in the first row from the last.

    Args:
        examples: Images uint8 `[h, w, 3]` and masks uint8 `[h, w]`, 0 or 1, all of one size.
        augmentation: What to show.
        columns: Pictures in a row, the example included.
        seed: Each picture derives from it, its row and its column.

    Returns:
        uint8 `[rows * h, columns * w, 3]`.
    """
    page = []
    for row, example in enumerate(examples):
        made = [
            augmentation(*example, np.random.default_rng((seed, row, column)), examples[row - 1])
            for column in range(1, columns)
        ]
        page.append(np.hstack([_outline(*one) for one in (example, *made)]))
    return np.asarray(np.vstack(page), np.uint8)


def measure(augmentation: Augmentation, example: Example, *, calls: int) -> Timing:
    """Time the augmentation of one example, with itself beside it, on one core.

    Args:
        augmentation: What to time.
        example: Image uint8 `[h, w, 3]` and mask uint8 `[h, w]`, 0 or 1.
        calls: How many, at least 1.

    Returns:
        The times.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    times = [_time(augmentation, example, seed) for seed in range(calls)]
    cv2.setNumThreads(threads)
    median, slowest = np.percentile(times, (50, 95))
    return Timing(float(median), float(np.mean(times)), float(slowest))


def _time(augmentation: Augmentation, example: Example, seed: int) -> float:
    rng = np.random.default_rng(seed)
    started = time.thread_time()
    augmentation(*example, rng, example)
    return 1e3 * (time.thread_time() - started)


def _outline(image: Pixels, mask: Pixels) -> NDArray[np.uint8]:
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(image.copy(), contours, -1, _CONTOUR, 1), np.uint8)
