"""Whether a probability of 0.8 is right in 8 of 10 pixels."""

import cv2
import numpy as np
from numpy.typing import NDArray

BINS = 15
# Rows of a frame's bins.
PIXELS, CONFIDENCE, POLYP = range(3)


def region_of_interest(truth: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the pixels near a polyp, where calibration is decided.

    Most of a frame is mucosa that any network calls healthy with certainty; counted in, it would
    make every network look calibrated.

    Args:
        truth: `[H, W]`, anything but 0 is polyp.

    Returns:
        `[H, W]`: inside the bounding box of an 8-connected part of the truth, made half again as
        wide and as high about its centre. All false where there is no polyp.
    """
    height, width = truth.shape
    region = np.zeros(truth.shape, dtype=np.bool_)
    binary = (truth != 0).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    for x, y, box_width, box_height, _ in boxes[1:]:
        left, right = round(x - box_width / 4), round(x + box_width * 5 / 4)
        top, bottom = round(y - box_height / 4), round(y + box_height * 5 / 4)
        region[max(0, top) : min(height, bottom), max(0, left) : min(width, right)] = True
    return region


def bin_pixels(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Sort the pixels of the region of interest by their probability.

    Args:
        probability: `[H, W]` in [0, 1].
        truth: `[H, W]`, anything but 0 is polyp.

    Returns:
        `[3, 15]` for 15 bins of equal width, closed below (the last one on both sides): number of
        pixels, sum of their probabilities, number of polyp pixels. Bins of several frames add up.
    """
    region = region_of_interest(truth)
    inside, polyp = probability[region].astype(np.float64), truth[region] != 0
    place = np.minimum((inside * BINS).astype(np.intp), BINS - 1)
    return np.stack(
        [
            np.bincount(place, minlength=BINS).astype(np.float64),
            np.bincount(place, weights=inside, minlength=BINS),
            np.bincount(place, weights=polyp, minlength=BINS),
        ]
    )


def expected_calibration_error(bins: NDArray[np.float64]) -> float:
    """Mean gap between probability and share of polyp, weighted by pixels (Naeini et al. 2015).

    Taken on the probability of polyp itself, not on that of the likelier class.

    Args:
        bins: `[3, 15]` from `bin_pixels`, summed over frames.

    Returns:
        In [0, 1]; 0 where there are no pixels.
    """
    pixels = bins[PIXELS].sum()
    if pixels == 0:
        return 0.0
    return float(np.abs(bins[CONFIDENCE] - bins[POLYP]).sum() / pixels)
