"""How a mask and a probability map compare with the truth.

One convention covers every empty mask. Where prediction and truth are both empty, all four ratios
are 1: nothing was there and nothing was marked. Where exactly one of them is empty, all four are
0: a polyp that was missed earns no precision, and a mask on healthy mucosa earns no recall.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 1e-15
LEVELS = 256


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pixels of one image, or summed over several, by agreement with the truth.

    Attributes:
        true_positive: Polyp pixels that were marked.
        false_positive: Other pixels that were marked.
        false_negative: Polyp pixels that were not marked.
    """

    true_positive: int
    false_positive: int
    false_negative: int

    @property
    def predicted(self) -> int:
        """Marked pixels."""
        return self.true_positive + self.false_positive

    @property
    def truth(self) -> int:
        """Polyp pixels."""
        return self.true_positive + self.false_negative

    @property
    def dice(self) -> float:
        """Twice the overlap over the sum of both areas (Dice 1945; equal to F1)."""
        return self._ratio(2 * self.true_positive, self.predicted + self.truth)

    @property
    def iou(self) -> float:
        """Overlap over union (Jaccard 1912)."""
        union = self.true_positive + self.false_positive + self.false_negative
        return self._ratio(self.true_positive, union)

    @property
    def recall(self) -> float:
        """Share of the polyp that was marked."""
        return self._ratio(self.true_positive, self.truth)

    @property
    def precision(self) -> float:
        """Share of the mark that is polyp."""
        return self._ratio(self.true_positive, self.predicted)

    def _ratio(self, numerator: int, denominator: int) -> float:
        if denominator:
            return numerator / denominator
        return float(self.predicted == self.truth == 0)


def confusion(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Confusion:
    """Compare two masks pixel by pixel.

    Args:
        prediction: `[H, W]`, anything but 0 is marked.
        truth: `[H, W]`, anything but 0 is polyp.

    Raises:
        ValueError: The shapes differ.
    """
    _require_same_shape(prediction, truth)
    marked, polyp = prediction != 0, truth != 0
    overlap = int(np.count_nonzero(marked & polyp))
    return Confusion(
        true_positive=overlap,
        false_positive=int(np.count_nonzero(marked)) - overlap,
        false_negative=int(np.count_nonzero(polyp)) - overlap,
    )


def mean_absolute_error(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Mean over pixels of the distance between probability and truth.

    Args:
        probability: `[H, W]` in [0, 1].
        truth: `[H, W]`, anything but 0 is polyp.

    Raises:
        ValueError: The shapes differ.
    """
    _require_same_shape(probability, truth)
    return float(np.abs(probability - (truth != 0)).mean(dtype=np.float64))


def threshold_mean_dice(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Mean Dice over 256 thresholds, the figure that published tables call mean Dice.

    The map is stretched to its own minimum and maximum and cut to 8 bits first, as PraNet's
    evaluation and PySODMetrics do (Fan et al., MICCAI 2020), so it measures ranking more than
    calibration.

    Args:
        probability: `[H, W]` in [0, 1].
        truth: `[H, W]`, anything but 0 is polyp.

    Raises:
        ValueError: The shapes differ.
    """
    _require_same_shape(probability, truth)
    low, high = float(probability.min()), float(probability.max())
    stretched = (probability - low) / (high - low) if high > low else probability
    level = (stretched * (LEVELS - 1)).astype(np.uint8)
    polyp = truth != 0
    # Summed from the highest level down: pixels at or above each threshold.
    marked = np.cumsum(np.bincount(level.ravel(), minlength=LEVELS)[::-1])
    overlap = np.cumsum(np.bincount(level[polyp], minlength=LEVELS)[::-1])
    both = marked + np.count_nonzero(polyp)
    dice = np.divide(2 * overlap, both, out=np.ones(LEVELS), where=both != 0)
    return float(dice.mean())


@dataclass(frozen=True, slots=True)
class SoftOverlap:
    """What the soft Dice of probabilities is made of; sums of two images add up to their batch.

    Attributes:
        intersection: Sum of probability times truth.
        prediction: Sum of probability.
        truth: Sum of truth.
    """

    intersection: float
    prediction: float
    truth: float


def soft_overlap(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> SoftOverlap:
    """Sum probabilities over and off the truth.

    Args:
        probability: `[H, W]` in [0, 1].
        truth: `[H, W]`, anything but 0 is polyp.

    Raises:
        ValueError: The shapes differ.
    """
    _require_same_shape(probability, truth)
    polyp = truth != 0
    return SoftOverlap(
        intersection=float(probability[polyp].sum(dtype=np.float64)),
        prediction=float(probability.sum(dtype=np.float64)),
        truth=float(np.count_nonzero(polyp)),
    )


def batch_soft_dice(overlaps: NDArray[np.float64], batch: int) -> float:
    """Mean over consecutive batches of the soft Dice of each flattened batch.

    This is what Keras prints for a Dice metric that flattens its batch: frames of one batch are
    pooled, batches are averaged, and a last batch that is smaller counts as much as a full one.

    Args:
        overlaps: `[frames, 3]`: intersection, prediction and truth (`SoftOverlap`), in order.
        batch: Frames in a batch.
    """
    sums = np.add.reduceat(overlaps, np.arange(0, len(overlaps), batch), axis=0)
    dice = (2 * sums[:, 0] + SMOOTHING) / (sums[:, 1] + sums[:, 2] + SMOOTHING)
    return float(dice.mean())


def _require_same_shape(
    prediction: NDArray[np.uint8] | NDArray[np.float32], truth: NDArray[np.uint8]
) -> None:
    if prediction.shape != truth.shape:
        raise ValueError(f"Prediction has shape {prediction.shape}, truth {truth.shape}.")
