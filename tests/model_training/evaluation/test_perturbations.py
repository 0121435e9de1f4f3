"""What each perturbation does to an image, against Pillow, NumPy and what cannot change."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from app.imaging import phantom
from model_training.evaluation.perturbations import (
    PERTURBATIONS,
    black_border,
    blur,
    gain,
    half_resolution,
    jpeg,
    quarter_turn,
    saturation,
)

IMAGE, TRUTH = phantom(90, 120, seed=3)
MOVED = {"rotated by 90 degrees", "black border of 20 %"}


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_an_image_comes_back_changed_and_the_original_stays(name: str) -> None:
    image, truth = IMAGE.copy(), TRUTH.copy()
    changed, moved = PERTURBATIONS[name](image, truth)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(truth, TRUTH)
    assert changed.dtype == moved.dtype == np.uint8
    assert changed.shape == (*moved.shape, 3)
    if name in MOVED:
        assert (moved > 0).sum() == (TRUTH > 0).sum()
        assert moved.shape != TRUTH.shape
    else:
        np.testing.assert_array_equal(moved, TRUTH)
        assert np.abs(changed.astype(int) - IMAGE).max() > 5


@pytest.mark.parametrize("name", sorted(MOVED))
def test_the_truth_moves_with_the_image(name: str) -> None:
    marked = np.where(TRUTH[..., None] > 0, (200, 0, 0), (0, 200, 0)).astype(np.uint8)
    changed, moved = PERTURBATIONS[name](marked, TRUTH)
    np.testing.assert_array_equal(changed[..., 0] == 200, moved > 0)


def test_jpeg_is_that_of_pillow() -> None:
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "JPEG", quality=40)
    pillow = np.asarray(Image.open(file)).astype(int)
    changed, _ = jpeg(IMAGE, TRUTH, quality=40)
    assert np.abs(changed - pillow).mean() < 1
    assert np.abs(changed.astype(int) - IMAGE).mean() > 1
    finer, _ = jpeg(IMAGE, TRUTH, quality=95)
    assert error_of(finer) < error_of(changed) / 2


def test_half_resolution_loses_what_is_finer_than_two_pixels() -> None:
    fine = np.zeros((16, 16, 3), np.uint8)
    fine[::2] = 200
    coarse = np.zeros((16, 16, 3), np.uint8)
    coarse[:8] = 200
    truth = np.zeros((16, 16), np.uint8)
    assert (half_resolution(fine, truth)[0] == 100).all()
    changed = half_resolution(coarse, truth)[0]
    assert (changed[:6] == 200).all()
    assert (changed[10:] == 0).all()
    assert half_resolution(IMAGE[:1, :1], TRUTH[:1, :1])[0].shape == (1, 1, 3)


def test_gain_multiplies_each_channel_and_cuts() -> None:
    pixel = np.full((1, 1, 3), (100, 100, 200), np.uint8)
    changed, _ = gain(pixel, TRUTH[:1, :1], red=0.5, green=1.25, blue=1.5)
    np.testing.assert_array_equal(changed, [[[50, 125, 255]]])


def test_saturation_is_that_of_pillow() -> None:
    pillow = np.asarray(ImageEnhance.Color(Image.fromarray(IMAGE)).enhance(0.6)).astype(int)
    changed, _ = saturation(IMAGE, TRUTH, factor=0.6)
    assert np.abs(changed - pillow).max() <= 2


def test_blur_spreads_a_point_by_a_share_of_the_shorter_side() -> None:
    image = np.zeros((101, 201, 3), np.uint8)
    image[50, 100] = 255
    changed, _ = blur(image, np.zeros((101, 201), np.uint8), share=0.02)
    light = changed[..., 0].astype(float)
    y = np.arange(101) - 50
    spread = np.sqrt((light.sum(axis=1) * y**2).sum() / light.sum())
    assert spread == pytest.approx(0.02 * 101, rel=0.15)


def test_a_quarter_turn_is_that_of_pillow() -> None:
    changed, _ = quarter_turn(IMAGE, TRUTH)
    pillow = Image.fromarray(IMAGE).transpose(Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(changed, np.asarray(pillow))


def test_the_border_is_black_and_the_frame_is_in_the_middle() -> None:
    changed, moved = black_border(IMAGE, TRUTH, share=0.2)
    assert changed.shape == (90 + 36, 120 + 48, 3)
    np.testing.assert_array_equal(changed[18:-18, 24:-24], IMAGE)
    np.testing.assert_array_equal(moved[18:-18, 24:-24], TRUTH)
    assert changed.sum() == IMAGE.sum()


def error_of(changed: NDArray[np.uint8]) -> float:
    return float(np.abs(changed.astype(int) - IMAGE).mean())
