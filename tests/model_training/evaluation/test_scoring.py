"""The score of a frame against the same steps written out with other libraries."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from scipy.special import expit, logit
from sklearn.metrics import f1_score, precision_score, recall_score

from app.imaging import resize
from app.inference import Bundle, Engine, load_bundle
from model_training.datasets import DatasetError, Frame
from model_training.evaluation.predictions import (
    predicted_mask,
    read_predictions,
    write_predictions,
)
from model_training.evaluation.scoring import Tap, score_frame, untempered
from tests.bundles import tiny_probability, write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_tiny_bundle(tmp_path / "tiny", height=32, width=48, threshold=0.9)
    return load_bundle(tmp_path / "tiny")


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """Return 90x150 pixels at input size: halved once, then averaged by area."""
    halved = np.asarray(Image.fromarray(pixels).reduce(2))
    return np.asarray(cv2.resize(halved, (48, 32), interpolation=cv2.INTER_AREA))


def by_hand(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the map at input size, the map at source size, and the truth."""
    assert frame.mask
    image = np.asarray(Image.open(frame.image).convert("RGB"))
    truth = np.asarray(Image.open(frame.mask).convert("L")) > 127
    small = tiny_probability(shrunk(image))
    large = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return small, large, truth


def test_figures_at_source_size(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    score = score_frame(engine, bundle.manifest, frame)
    _, large, truth = by_hand(frame)
    for found, threshold in ((score.mask, 0.5), (score.operating, 0.9)):
        flat = truth.ravel(), (large >= threshold).ravel()
        assert found.dice == pytest.approx(f1_score(*flat), abs=1e-3)
        assert found.recall == pytest.approx(recall_score(*flat), abs=1e-3)
        assert found.precision == pytest.approx(precision_score(*flat), abs=1e-3)
    assert score.mask != score.operating
    assert score.mean_absolute_error == pytest.approx(np.abs(large - truth).mean(), abs=1e-4)
    assert score.score == pytest.approx(large.max(), abs=1e-4)
    assert (score.height, score.width) == truth.shape == (90, 150)
    assert (score.key, score.sequence) == ("drawn/5", "drawn/a")
    assert score.infer_ms > 0


def test_figures_at_input_size(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    score = score_frame(engine, bundle.manifest, frame)
    small, _, truth = by_hand(frame)
    target = shrunk(np.uint8(255) * truth.astype(np.uint8)) > 127
    assert score.input_overlap.intersection == pytest.approx((small * target).sum(), rel=1e-4)
    assert score.input_overlap.prediction == pytest.approx(small.sum(), rel=1e-4)
    assert score.input_overlap.truth == target.sum()
    flat = target.ravel(), (small >= 0.5).ravel()
    assert score.input_mask.recall == pytest.approx(recall_score(*flat))
    assert score.input_mask.precision == pytest.approx(precision_score(*flat))


def test_a_border_changes_nothing_for_a_bundle_that_cuts_it_off(
    frame: Frame, bundle: Bundle, engine: Engine, tmp_path: Path
) -> None:
    assert frame.mask
    for name, path in (("image", frame.image), ("mask", frame.mask)):
        pixels = np.asarray(Image.open(path))[:88, :144]
        pixels = np.maximum(pixels, 30) if name == "image" else pixels
        padding = ((16, 24), (8, 30)) + ((0, 0),) * (pixels.ndim - 2)
        for kind, made in (("plain", pixels), ("bordered", np.pad(pixels, padding))):
            Image.fromarray(made).save(tmp_path / f"{kind}-{name}.png")
    plain, bordered = (
        replace(frame, image=tmp_path / f"{kind}-image.png", mask=tmp_path / f"{kind}-mask.png")
        for kind in ("plain", "bordered")
    )
    manifest = bundle.manifest.model_copy(update={"cropped": True})
    alone, found = (score_frame(engine, manifest, one) for one in (plain, bordered))
    assert (found.height, found.width) == (128, 182)
    for name in ("mask", "operating", "input_mask", "input_overlap", "score"):
        assert getattr(found, name) == getattr(alone, name)
    assert score_frame(engine, bundle.manifest, bordered).mask != found.mask


def test_a_temperature_changes_no_dice(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    class Tempered(Tap):
        def infer(self, images: np.ndarray, *, alone: bool = True) -> np.ndarray:
            maps = np.float64(super().infer(images, alone=alone))
            return np.asarray(expit(logit(maps) / 2.5), np.float32)

    plain = score_frame(engine, bundle.manifest, frame)
    manifest = bundle.manifest.model_copy(update={"temperature": 2.5})
    tempered = score_frame(Tempered(engine), manifest, frame)

    assert tempered.mean_absolute_error != pytest.approx(plain.mean_absolute_error, rel=0.01)
    assert tempered.threshold_mean_dice == pytest.approx(plain.threshold_mean_dice, abs=1e-3)


def test_a_saturated_map_stays_one() -> None:
    certain = np.array([[0.0, 1.0, 0.5]], np.float32)

    np.testing.assert_array_equal(untempered(certain, 2.5), certain)


def test_small_regions_are_removed_as_the_service_does(
    frame: Frame, bundle: Bundle, engine: Engine
) -> None:
    manifest = bundle.manifest
    area = score_frame(engine, manifest, frame).mask.predicted
    assert area > 0
    kept = score_frame(engine, manifest.model_copy(update={"min_area": area}), frame)
    assert kept.mask.predicted == area
    gone = score_frame(engine, manifest.model_copy(update={"min_area": area + 1}), frame)
    assert gone.mask.predicted == gone.operating.predicted == 0


def test_a_shard_that_holds_the_same_pixels_costs_nothing(
    frame: Frame, bundle: Bundle, engine: Engine
) -> None:
    small = resize(frame.read_image(), 32, 48)
    same, worse = (
        cv2.imencode(suffix, small[..., ::-1], parameters)[1].tobytes()
        for suffix, parameters in ((".png", []), (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 5]))
    )
    assert score_frame(engine, bundle.manifest, frame).shard is None
    lossless = score_frame(engine, bundle.manifest, frame, same)
    assert lossless.shard == lossless.mask
    lossy = score_frame(engine, bundle.manifest, frame, worse)
    assert lossy.shard != lossy.mask == lossless.mask


def test_equal_thresholds_give_equal_masks(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    at_half = bundle.manifest.model_copy(update={"threshold": 0.5})
    score = score_frame(engine, at_half, frame)
    assert score.mask == score.operating


def test_a_frame_without_a_polyp(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    score = score_frame(engine, bundle.manifest, replace(frame, mask=None))
    assert score.mask.truth == 0
    assert score.mask.predicted == score.mask.false_positive > 0
    assert np.array(score.calibration).sum() == 0


def test_a_mask_of_another_size_is_a_fault_of_the_data(
    frame: Frame, bundle: Bundle, engine: Engine, tmp_path: Path
) -> None:
    Image.new("L", (20, 10), 255).save(tmp_path / "small.png")
    with pytest.raises(DatasetError, match=r"drawn/5: the mask is 20x10, its image is 150x90"):
        score_frame(engine, bundle.manifest, replace(frame, mask=tmp_path / "small.png"))


def test_a_file_that_cannot_be_read_is_named(
    frame: Frame, bundle: Bundle, engine: Engine, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(frame.image.read_bytes()[:60])
    with pytest.raises(DatasetError, match="drawn/5: "):
        score_frame(engine, bundle.manifest, replace(frame, image=broken))
    with pytest.raises(DatasetError, match="drawn/5: "):
        score_frame(engine, bundle.manifest, replace(frame, image=tmp_path / "absent.png"))


def test_the_tap_leaves_the_engine_alone(engine: Engine) -> None:
    images = np.full((1, 32, 48, 3), 200, np.uint8)
    tap = Tap(engine)
    assert (tap.name, tap.device, tap.threads) == (engine.name, engine.device, engine.threads)
    np.testing.assert_array_equal(tap.infer(images), engine.infer(images))
    np.testing.assert_array_equal(tap.probability, engine.infer(images))
    tap.close()
    assert engine.infer(images).shape == (1, 32, 48)


# pycocotools has not followed NumPy 2 yet.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_predictions_come_back_as_they_were(
    frame: Frame, bundle: Bundle, engine: Engine, tmp_path: Path
) -> None:
    scores = tuple(
        score_frame(engine, bundle.manifest, one) for one in (frame, replace(frame, mask=None))
    )
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, scores)
    assert read_predictions(path) == scores
    for score in scores:
        compressed = {"size": [score.height, score.width], "counts": score.counts.encode()}
        expected = coco.decode(compressed)
        np.testing.assert_array_equal(predicted_mask(score), 255 * expected)
        assert score.mask.predicted == expected.sum()
