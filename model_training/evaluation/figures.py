"""From the scores of frames to the figures of a protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_training.evaluation.calibration import expected_calibration_error
from model_training.evaluation.intervals import (
    Bootstrap,
    Interval,
    bootstrap_intervals,
    wilson_interval,
)
from model_training.evaluation.metrics import Confusion, batch_soft_dice
from model_training.evaluation.scoring import FrameScore

FALSE_ALARM_FRACTION = 0.001


@dataclass(frozen=True, slots=True)
class Figures:
    """Named figures of one protocol.

    Attributes:
        values: The figures: fractions, but for `shard_cost`, which may be negative.
        intervals: 95 % interval by name; a figure without one is missing.
    """

    values: dict[str, float]
    intervals: dict[str, Interval]


def polyp_figures(
    scores: Sequence[FrameScore], *, batch: int | None = None, bootstrap: Bootstrap
) -> Figures:
    """Compute the figures of frames that show a polyp.

    Args:
        scores: In the order of the split.
        batch: Adds the tutorial's figures, over batches of this many frames.
        bootstrap: Settings of the intervals.

    Returns:
        `dice`, `iou`, `recall`, `precision`, `mae`: means over frames at source size, threshold
        0.5. `pooled_dice`, `pooled_recall`, `pooled_precision`: over the pixels of all frames.
        `operating_dice`: mean Dice at the manifest's threshold. `threshold_mean_dice`: over 256
        thresholds. `ece`: expected calibration error. `missed_rate`: share of frames in whose mask
        no pixel of a polyp is marked. With `batch`: `tutorial_dice`,
        `tutorial_recall`, `tutorial_precision` at the model's input size. If shards were scored:
        `shard_dice`, the mean Dice on their images, and `shard_cost`, what is lost by that.
    """
    per_frame = np.array(
        [
            [
                score.mask.dice,
                score.mask.iou,
                score.mask.recall,
                score.mask.precision,
                score.mean_absolute_error,
                score.operating.dice,
                score.threshold_mean_dice,
            ]
            for score in scores
        ]
    )
    pixels = _counts([score.mask for score in scores])
    input_pixels = _counts([score.input_mask for score in scores])
    overlaps = np.array(
        [
            [overlap.intersection, overlap.prediction, overlap.truth]
            for overlap in (score.input_overlap for score in scores)
        ]
    )
    shards = np.array([score.shard.dice for score in scores if score.shard is not None])
    bins = np.array([score.calibration for score in scores])

    def compute(rows: NDArray[np.intp]) -> dict[str, float]:
        dice, iou, recall, precision, mae, operating, over_thresholds = map(
            float, per_frame[rows].mean(axis=0)
        )
        pooled = _pool(pixels[rows])
        values = {
            "dice": dice,
            "iou": iou,
            "recall": recall,
            "precision": precision,
            "mae": mae,
            "pooled_dice": pooled.dice,
            "pooled_recall": pooled.recall,
            "pooled_precision": pooled.precision,
            "operating_dice": operating,
            "threshold_mean_dice": over_thresholds,
            "ece": expected_calibration_error(bins[rows].sum(axis=0)),
        }
        if batch is not None:
            input_pooled = _pool(input_pixels[rows])
            values["tutorial_dice"] = batch_soft_dice(overlaps[rows], batch)
            values["tutorial_recall"] = input_pooled.recall
            values["tutorial_precision"] = input_pooled.precision
        if len(shards) == len(scores):
            values["shard_dice"] = float(shards[rows].mean())
            values["shard_cost"] = dice - values["shard_dice"]
        return values

    intervals = bootstrap_intervals(compute, [score.sequence for score in scores], bootstrap)
    values = compute(np.arange(len(scores)))
    missed = sum(score.mask.true_positive == 0 for score in scores)
    values["missed_rate"] = missed / len(scores)
    if intervals:  # a bootstrap of none among a hundred would claim certainty
        intervals = intervals | {"missed_rate": wilson_interval(missed, len(scores))}
    return Figures(values, intervals)


def negative_figures(scores: Sequence[FrameScore]) -> Figures:
    """Compute the figures of frames without a polyp.

    Args:
        scores: At least one.

    Returns:
        `false_alarm_rate`: share of frames whose mask at threshold 0.5 covers more than 0.1 % of
        their pixels. `operating_false_alarm_rate`: the same at the manifest's threshold.
    """
    alarms = {
        "false_alarm_rate": [score.mask.predicted for score in scores],
        "operating_false_alarm_rate": [score.operating.predicted for score in scores],
    }
    limits = [FALSE_ALARM_FRACTION * score.height * score.width for score in scores]
    hits = {
        name: sum(area > limit for area, limit in zip(areas, limits, strict=True))
        for name, areas in alarms.items()
    }
    return Figures(
        values={name: count / len(scores) for name, count in hits.items()},
        intervals={name: wilson_interval(count, len(scores)) for name, count in hits.items()},
    )


def _counts(confusions: Sequence[Confusion]) -> NDArray[np.int64]:
    return np.array(
        [[one.true_positive, one.false_positive, one.false_negative] for one in confusions],
        dtype=np.int64,
    )


def _pool(counts: NDArray[np.int64]) -> Confusion:
    true_positive, false_positive, false_negative = map(int, counts.sum(axis=0))
    return Confusion(true_positive, false_positive, false_negative)
