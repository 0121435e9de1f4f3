"""Blur keeps brightness and place, and takes detail; fringes move red against blue."""

import cv2
import numpy as np
import pytest

from model_training.augmentation import Optics
from tests.model_training.augmentation.drawn import blob, centroid, detail, flat

SEEDS = range(12)


def test_nothing_is_done_by_default() -> None:
    image, _ = blob()
    np.testing.assert_array_equal(Optics()(image, np.random.default_rng(0)), image)


@pytest.mark.parametrize("seed", SEEDS)
def test_blur_takes_detail_and_moves_nothing(seed: int) -> None:
    image, _ = blob()
    made = Optics(blur=1.0, blur_size=0.014)(image, np.random.default_rng(seed))
    assert detail(made) < 0.8 * detail(image)
    assert made.mean() == pytest.approx(image.mean(), abs=1.0)
    np.testing.assert_allclose(centroid(made[..., 0]), centroid(image[..., 0]), atol=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_blur_leaves_flat_alone(seed: int) -> None:
    made = Optics(blur=1.0, blur_size=0.03)(flat(140), np.random.default_rng(seed))
    np.testing.assert_allclose(made.astype(int), 140, atol=1)


def test_some_blurs_have_a_direction_and_some_have_none() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[30:35, 30:35] = 255
    ratios = []
    for seed in range(30):
        made = Optics(blur=1.0, blur_size=0.12)(point, np.random.default_rng(seed))
        moments = cv2.moments(made[..., 0])
        spread = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]])
        low, high = np.linalg.eigvalsh(spread)
        ratios.append(high / low)
    assert min(ratios) < 1.1
    assert max(ratios) > 2.0


@pytest.mark.parametrize("seed", SEEDS)
def test_fringes_move_red_and_blue_apart_and_leave_green(seed: int) -> None:
    image, _ = blob()
    made = Optics(fringes=1.0, fringes_size=0.03)(image, np.random.default_rng(seed))
    red, green, blue = (centroid(np.maximum(made[..., c], 90) - 90) for c in range(3))
    still = centroid(image[..., 0] - 90)
    np.testing.assert_allclose(green, still, atol=1e-6)
    np.testing.assert_allclose(red - still, still - blue, atol=0.05)
    assert np.all(np.abs(red - blue) <= 0.03 * 256 + 0.1)
    np.testing.assert_array_equal(made[..., 1], image[..., 1])
