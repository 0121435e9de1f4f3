"""What an evaluation found, as a table for people and as files for programs."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from app import __version__
from app.inference import Bundle, Engine
from model_training.evaluation.figures import Figures, negative_figures, polyp_figures
from model_training.evaluation.groups import by_area, by_sequence
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.protocols import Row
from model_training.evaluation.robustness import Robustness
from model_training.evaluation.scoring import THRESHOLD, FrameScore

LABELS = {
    "dice": "Dice",
    "iou": "IoU",
    "recall": "recall",
    "precision": "precision",
    "mae": "mean absolute error",
    "pooled_dice": "pooled Dice",
    "pooled_recall": "pooled recall",
    "pooled_precision": "pooled precision",
    "operating_dice": "operating Dice",
    "threshold_mean_dice": "Dice over 256 thresholds",
    "missed_rate": "frames whose polyp is missed",
    "ece": "calibration error",
    "tutorial_dice": "tutorial's Dice",
    "tutorial_recall": "tutorial's recall",
    "tutorial_precision": "tutorial's precision",
    "shard_dice": "Dice on shards",
    "shard_cost": "cost of shards",
    "false_alarm_rate": "false alarms",
    "operating_false_alarm_rate": "operating false alarms",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One row, scored.

    Attributes:
        row: The frames.
        scores: One for each frame, in the same order.
        figures: Of all of them.
        robustness: Of the same frames as perturbations leave them; empty when not asked for.
    """

    row: Row
    scores: tuple[FrameScore, ...]
    figures: Figures
    robustness: Robustness = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a report tells.

    Attributes:
        bundle: What was scored.
        engine: What ran it.
        reason: Why that engine.
        command: The command line that repeats it.
        bootstrap: Settings of the intervals.
        results: At least one.
    """

    bundle: Bundle
    engine: Engine
    reason: str
    command: str
    bootstrap: Bootstrap
    results: tuple[Result, ...]


def summarise(row: Row, scores: tuple[FrameScore, ...], bootstrap: Bootstrap) -> Result:
    """Compute the figures that the frames of a row call for."""
    if row.polyps:
        return Result(row, scores, polyp_figures(scores, batch=row.batch, bootstrap=bootstrap))
    return Result(row, scores, negative_figures(scores))


def result_lines(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Yield the table of results: a heading, then one line for each figure that a row has."""
    yield ("", *(result.row.name for result in results))
    yield ("frames", *(str(len(result.scores)) for result in results))
    yield ("sequences", *(str(len({s.sequence for s in result.scores})) for result in results))
    for name, label in LABELS.items():
        if any(name in result.figures.values for result in results):
            yield (label, *(_cell(result.figures, name) for result in results))
    yield ("engine, median ms", *(f"{_infer_ms(result):.1f}" for result in results))


def robustness_lines(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Yield a heading and a line for each perturbation.

    A cell holds Dice and its change from the frames as they are; false alarms without polyps.
    """
    yield ("perturbed frames", *(result.row.name for result in results))
    names = dict.fromkeys(name for result in results for name in result.robustness)
    for name in names:
        yield (name, *(_change(result.robustness[name]) for result in results))


def _change(figures: Figures) -> str:
    if "change" not in figures.values:
        return f"{figures.values['false_alarm_rate']:.3f} false alarms"
    return f"{figures.values['dice']:.3f} ({figures.values['change']:+.3f})"


def metrics(evaluation: Evaluation) -> dict[str, Any]:
    """Describe an evaluation for programs, by protocol; each entry stands for itself."""
    manifest = evaluation.bundle.manifest
    shared = {
        "bundle": {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": evaluation.bundle.sha256,
            # The weights stay the same when figures are written into the manifest.
            "files": manifest.files,
            "split": manifest.training.split,
            "split_hash": manifest.training.split_hash,
        },
        "command": evaluation.command,
        "engine": {"name": evaluation.engine.name, "device": evaluation.engine.device},
        "polypseg": __version__,
        "threshold": THRESHOLD,
        "operating_threshold": manifest.threshold,
        "min_area": manifest.min_area,
        "bootstrap": {
            "resamples": evaluation.bootstrap.resamples,
            "level": evaluation.bootstrap.level,
            "seed": evaluation.bootstrap.seed,
        },
    }
    return {
        result.row.name: {
            **_figures(result.figures),
            **_groups(result),
            "robustness": {name: _figures(figures) for name, figures in result.robustness.items()},
            **shared,
            "infer_ms_median": _infer_ms(result),
            "sequences": len({score.sequence for score in result.scores}),
            "frames": [score.key for score in result.scores],
        }
        for result in evaluation.results
    }


def write_csv(path: Path, scores: Sequence[FrameScore]) -> None:
    """Write one line for each frame."""
    with path.open("w", newline="") as file:
        lines = [_csv_line(score) for score in scores]
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _csv_line(score: FrameScore) -> dict[str, str | int | float]:
    return {
        "frame": score.key,
        "sequence": score.sequence,
        "width": score.width,
        "height": score.height,
        "polyp_px": score.mask.truth,
        "predicted_px": score.mask.predicted,
        "true_positive_px": score.mask.true_positive,
        "dice": score.mask.dice,
        "iou": score.mask.iou,
        "recall": score.mask.recall,
        "precision": score.mask.precision,
        "mae": score.mean_absolute_error,
        "operating_dice": score.operating.dice,
        "threshold_mean_dice": score.threshold_mean_dice,
        "score": score.score,
        "infer_ms": round(score.infer_ms, 3),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "figures": figures.values,
        "intervals": {name: list(ends) for name, ends in figures.intervals.items()},
    }


def _groups(result: Result) -> dict[str, Any]:
    if not result.row.polyps:
        return {}
    return {
        "by_area": [asdict(group) for group in by_area(result.scores)],
        "by_sequence": [asdict(group) for group in by_sequence(result.scores)],
    }


def _infer_ms(result: Result) -> float:
    return median(score.infer_ms for score in result.scores)


def _cell(figures: Figures, name: str) -> str:
    if name not in figures.values:
        return ""
    value = f"{figures.values[name]:.4f}"
    if name not in figures.intervals:
        return value
    low, high = figures.intervals[name]
    return f"{value} ({low:.3f}-{high:.3f})"
