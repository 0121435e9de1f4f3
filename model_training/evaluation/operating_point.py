"""How a finished network is to be used: temperature, threshold and smallest region.

All three are fitted on the run's own validation frames; no test frame is looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from app.imaging import Field, field_of_view, segment
from app.inference import at_source
from model_training.datasets import Frame, working_size
from model_training.evaluation.calibration import (
    bin_pixels,
    expected_calibration_error,
    region_of_interest,
)
from model_training.evaluation.figures import FALSE_ALARM_FRACTION
from model_training.evaluation.metrics import confusion
from model_training.evaluation.temperature import fit_temperature

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From an image at the network's size, uint8 `[h, w, 3]`, to logits, float32 `[h, w]`."""

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.55, 0.6, 0.65, 0.7)
AREAS = (16, 32, 64, 128, 256)
CANDIDATES = ((0.5, 0), *((level, 0) for level in THRESHOLDS), *((0.5, area) for area in AREAS))
"""Threshold and smallest region in source pixels; the first is kept unless another is better."""

# A few hundred frames cannot tell smaller gains from luck.
MARGIN = 0.003
STANDARD_ERRORS = 2.0
MOST_LOST = 0.0015


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How to use a network.

    Attributes:
        temperature: Logits are divided by it.
        threshold: A pixel is polyp from this probability on.
        min_area: Regions of fewer source pixels are removed; 0 keeps all.
        figures: What the validation frames say about it, as `fit_operating_point` lists them;
            empty when nothing was fitted.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    min_area: int = 0
    figures: dict[str, float] = field(default_factory=dict)


def fit_operating_point(
    network: Network, height: int, width: int, frames: Sequence[Frame], *, cropped: bool = False
) -> OperatingPoint:
    """Fit temperature, then threshold and smallest region, on validation frames.

    Args:
        network: The finished network.
        height: Of its input.
        width: Of its input.
        frames: At least one; those without a polyp count false alarms.
        cropped: Frames are cut to their field of view first.

    Returns:
        The point, with these figures: `frames`, of them `negatives`; `ece_before` and `ece`,
        the calibration error without and with the temperature; `dice` and `operating_dice`, means
        over the frames with a polyp at 0.5 and at the point; `false_alarm_rate` and
        `operating_false_alarm_rate`, likewise over those without. Means over no frame are missing.

    Raises:
        ImageError: A file cannot be decoded.
    """
    maps, views, near, polyp = [], [], [], []
    for frame in frames:
        pixels, mask = frame.read_image(), frame.read_mask()
        views.append(field_of_view(pixels) if cropped else Field(0, 0, *mask.shape))
        image, truth = working_size(pixels, mask, height, width, cropped=cropped)
        logits = network(image)
        region = region_of_interest(truth)
        maps.append(logits)
        near.append(logits[region])
        polyp.append(truth[region] != 0)
    temperature = fit_temperature(np.concatenate(near), np.concatenate(polyp))

    bins = np.zeros((2, 3, 15))
    merits = []
    for frame, logits, view in zip(frames, maps, views, strict=True):
        truth = frame.read_mask()
        before, after = (
            at_source(expit(logits / t), view, *truth.shape) for t in (1.0, temperature)
        )
        bins += bin_pixels(before, truth), bin_pixels(after, truth)
        merits.append(list(_merits(after, truth)))
    merit = np.array(merits)
    positive = np.array([frame.mask is not None for frame in frames])
    best = choose(merit, positive, [frame.sequence for frame in frames])
    figures = {
        "frames": float(len(frames)),
        "negatives": float((~positive).sum()),
        "ece_before": expected_calibration_error(bins[0]),
        "ece": expected_calibration_error(bins[1]),
    }
    for prefix, place in (("", 0), ("operating_", best)):
        if positive.any():
            figures[f"{prefix}dice"] = float(merit[positive, place].mean())
        if not positive.all():
            figures[f"{prefix}false_alarm_rate"] = float(1 - merit[~positive, place].mean())
    threshold, min_area = CANDIDATES[best]
    return OperatingPoint(temperature, threshold, min_area, figures)


def choose(
    merit: NDArray[np.float64], positive: NDArray[np.bool_], sequences: Sequence[str]
) -> int:
    """Choose a candidate; the first stays unless another is clearly better.

    Args:
        merit: `[frames, candidates]` in [0, 1].
        positive: `[frames]`, whether a frame shows a polyp.
        sequences: Frames of one sequence vary together.

    Returns:
        The candidate whose mean over all frames is highest among those that gain more than 0.003
        and twice the standard error of the gain on the first one, and lose at most 0.0015 on the
        frames with a polyp; 0 if there is none.
    """
    gain = merit - merit[:, :1]
    mean = gain.mean(axis=0)
    _, sequence = np.unique(np.asarray(sequences), return_inverse=True)
    drift = np.zeros((sequence.max() + 1, merit.shape[1]))
    np.add.at(drift, sequence, gain - mean)
    standard_error = np.sqrt((drift**2).sum(axis=0)) / len(merit)
    better = mean > np.maximum(MARGIN, STANDARD_ERRORS * standard_error)
    if positive.any():
        better &= gain[positive].mean(axis=0) >= -MOST_LOST
    return int(np.argmax(np.where(better, mean, 0.0)))


def _merits(probability: NDArray[np.float32], truth: NDArray[np.uint8]) -> Iterator[float]:
    """Yield what each candidate earns: Dice, or without a polyp 1 for marking (nearly) nothing."""
    for threshold, min_area in CANDIDATES:
        mask = segment(probability, threshold, min_area=min_area).mask
        found = confusion(mask, truth)
        if found.truth:
            yield found.dice
        else:
            yield float(found.predicted <= FALSE_ALARM_FRACTION * truth.size)
