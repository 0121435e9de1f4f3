"""How much of a bundle's quality is left when frames are not as they should be."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging import ImageError, segment
from app.inference import Engine, Manifest, predict_image
from model_training.datasets import DatasetError, Frame
from model_training.evaluation.figures import FALSE_ALARM_FRACTION, Figures
from model_training.evaluation.intervals import Bootstrap, bootstrap_intervals, wilson_interval
from model_training.evaluation.metrics import confusion
from model_training.evaluation.perturbations import PERTURBATIONS, Perturbation
from model_training.evaluation.scoring import THRESHOLD, FrameScore

Robustness = dict[str, Figures]
"""By the name of the perturbation."""


def perturbed_merit(
    engine: Engine,
    manifest: Manifest,
    frame: Frame,
    perturbations: Mapping[str, Perturbation] = PERTURBATIONS,
) -> dict[str, float]:
    """Predict a frame as each perturbation leaves it.

    Args:
        engine: Loaded from the manifest's bundle.
        manifest: Of the bundle.
        frame: With its mask, or without one where there is no polyp.
        perturbations: By name.

    Returns:
        By name: Dice at threshold 0.5 and at the size that the perturbation leaves; without a
        polyp 1 for a mask of more than 0.1 % of the pixels, else 0.

    Raises:
        DatasetError: A file cannot be read or decoded.
        EngineError: The run failed.
    """
    try:
        pixels, mask = frame.read_image(), frame.read_mask()
    except (ImageError, OSError) as error:
        raise DatasetError(f"{frame.key}: {error}") from error
    merits = {}
    for name, perturb in perturbations.items():
        image, truth = perturb(pixels, mask)
        _, probability = predict_image(engine, manifest, bitmap(image))
        found = confusion(segment(probability, THRESHOLD, min_area=manifest.min_area).mask, truth)
        if frame.mask is None:
            merits[name] = float(found.predicted > FALSE_ALARM_FRACTION * truth.size)
        else:
            merits[name] = found.dice
    return merits


def robustness(
    scores: Sequence[FrameScore],
    merits: Sequence[Mapping[str, float]],
    bootstrap: Bootstrap,
    *,
    polyps: bool,
) -> Robustness:
    """Compare perturbed frames with the same frames as they are.

    Args:
        scores: Of the frames as they are.
        merits: What `perturbed_merit` returned for the same frames.
        bootstrap: Settings of the intervals.
        polyps: Whether the frames show polyps.

    Returns:
        By name: `dice`, and `change` from the frames as they are, with its interval over the same
        draws; without polyps `false_alarm_rate`.
    """
    found: Robustness = {}
    for name in merits[0]:
        values = np.array([merit[name] for merit in merits])
        if polyps:
            found[name] = _dice(scores, values, bootstrap)
        else:
            found[name] = Figures(
                {"false_alarm_rate": float(values.mean())},
                {"false_alarm_rate": wilson_interval(int(values.sum()), len(values))},
            )
    return found


def _dice(
    scores: Sequence[FrameScore], perturbed: NDArray[np.float64], bootstrap: Bootstrap
) -> Figures:
    change = perturbed - np.array([score.mask.dice for score in scores])

    def compute(rows: NDArray[np.intp]) -> dict[str, float]:
        return {"dice": float(perturbed[rows].mean()), "change": float(change[rows].mean())}

    return Figures(
        compute(np.arange(len(scores))),
        bootstrap_intervals(compute, [score.sequence for score in scores], bootstrap),
    )


def bitmap(image: NDArray[np.uint8]) -> bytes:
    """Encode an image without loss, so that it takes the way of a request."""
    _, data = cv2.imencode(".bmp", image[..., ::-1])
    return data.tobytes()
