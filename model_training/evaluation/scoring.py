"""Scores a bundle on frames, through the code that serves requests."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.imaging import Field, ImageError, compress_rle, encode_rle, segment
from app.inference import Engine, Manifest, at_source, predict_image
from model_training.datasets import DatasetError, Frame, working_mask
from model_training.evaluation.calibration import bin_pixels
from model_training.evaluation.metrics import (
    Confusion,
    SoftOverlap,
    confusion,
    mean_absolute_error,
    soft_overlap,
    threshold_mean_dice,
)

THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class FrameScore:
    """Everything that is kept of one frame: no pixel of the image, the mask as RLE.

    Attributes:
        key: Of the frame: `cvc-clinicdb/100`.
        sequence: Frames with the same sequence are drawn together in intervals.
        height: Of the frame, source size.
        width: Of the frame, source size.
        counts: Compressed COCO RLE of the mask at threshold 0.5, source size.
        mask: That mask against the truth.
        operating: The mask at the manifest's own threshold against the truth.
        mean_absolute_error: Of the probability map, source size.
        threshold_mean_dice: Mean Dice over 256 thresholds, source size, of the map before the
            temperature.
        score: Highest probability in the mask, or in the frame when the mask is empty.
        input_mask: Threshold 0.5 against the truth, both at the model's input size.
        input_overlap: Soft overlap at the model's input size.
        calibration: `[3][15]` from `bin_pixels`, source size.
        infer_ms: Time that the engine took, milliseconds.
        shard: `mask`, had the image come from a shard; None if no shard was scored.
    """

    key: str
    sequence: str
    height: int
    width: int
    counts: str
    mask: Confusion
    operating: Confusion
    mean_absolute_error: float
    threshold_mean_dice: float
    score: float
    input_mask: Confusion
    input_overlap: SoftOverlap
    calibration: tuple[tuple[float, ...], ...]
    infer_ms: float
    shard: Confusion | None = None


class Tap:
    """An engine that keeps its last answer, so that one run gives the map at both sizes.

    Attributes:
        probability: Float32 `[N, H, W]` of the last run, at the model's input size.
        seconds: How long that run took.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.device = engine.device
        self.threads = engine.threads
        self.probability: NDArray[np.float32] = np.empty((0, 0, 0), np.float32)
        self.seconds = 0.0
        self._engine = engine

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        """Run the engine, see `Engine.infer`."""
        start = time.perf_counter()
        self.probability = self._engine.infer(images, alone=alone)
        self.seconds = time.perf_counter() - start
        return self.probability

    def close(self) -> None:
        """Do nothing: the engine belongs to whoever loaded it."""


def score_frame(
    engine: Engine, manifest: Manifest, frame: Frame, shard_image: bytes | None = None
) -> FrameScore:
    """Predict one frame and compare it with its truth.

    Args:
        engine: Loaded from the manifest's bundle.
        manifest: Of the bundle.
        frame: With its mask, or without one where there is no polyp.
        shard_image: The same image as a shard holds it, to learn what that costs.

    Raises:
        DatasetError: A file cannot be read or decoded, or image and mask differ in size.
        EngineError: The run failed.
    """
    tap = Tap(engine)
    try:
        view, probability = predict_image(tap, manifest, frame.image.read_bytes())
        truth = frame.read_mask()
    except (ImageError, OSError) as error:
        raise DatasetError(f"{frame.key}: {error}") from error
    if truth.shape != probability.shape:
        (height, width), (mask_height, mask_width) = probability.shape, truth.shape
        raise DatasetError(
            f"{frame.key}: the mask is {mask_width}x{mask_height}, its image is {width}x{height}."
        )
    at_half = segment(probability, THRESHOLD, min_area=manifest.min_area)
    operating = at_half
    if manifest.threshold != THRESHOLD:
        operating = segment(probability, manifest.threshold, min_area=manifest.min_area)
    small = tap.probability[0]
    small_truth = working_mask(view.field.crop(truth), *small.shape)
    return FrameScore(
        key=frame.key,
        sequence=frame.sequence,
        height=truth.shape[0],
        width=truth.shape[1],
        counts=compress_rle(encode_rle(at_half.mask)),
        mask=confusion(at_half.mask, truth),
        operating=confusion(operating.mask, truth),
        mean_absolute_error=mean_absolute_error(probability, truth),
        threshold_mean_dice=threshold_mean_dice(
            at_source(untempered(small, manifest.temperature), view.field, *truth.shape), truth
        ),
        score=at_half.score,
        input_mask=confusion((small >= THRESHOLD).astype(np.uint8), small_truth),
        input_overlap=soft_overlap(small, small_truth),
        calibration=tuple(tuple(row) for row in bin_pixels(probability, truth).tolist()),
        infer_ms=tap.seconds * 1000,
        shard=(
            None
            if shard_image is None
            else _score_shard(engine, manifest, shard_image, view.field, truth)
        ),
    )


def untempered(probability: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return a map as it was before its logits were divided by a temperature.

    Args:
        probability: Float32 in [0, 1].
        temperature: Above 0.
    """
    if temperature == 1.0:
        return probability
    return np.asarray(expit(logit(np.float64(probability)) * temperature), np.float32)


def _score_shard(
    engine: Engine,
    manifest: Manifest,
    shard_image: bytes,
    field: Field,
    truth: NDArray[np.uint8],
) -> Confusion:
    # From the engine's map straight to source size: the working size is not in between.
    tap = Tap(engine)
    predict_image(tap, manifest, shard_image)
    probability = at_source(tap.probability[0], field, *truth.shape)
    return confusion(segment(probability, THRESHOLD, min_area=manifest.min_area).mask, truth)
