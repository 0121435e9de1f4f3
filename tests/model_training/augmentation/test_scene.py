"""Light is smooth, highlights only brighten, cut-outs are small."""

import cv2
import numpy as np
import pytest

from model_training.augmentation import Scene
from tests.model_training.augmentation.drawn import atlas, flat

SEEDS = range(10)


def test_nothing_is_done_by_default() -> None:
    np.testing.assert_array_equal(Scene()(atlas(), np.random.default_rng(0)), atlas())


@pytest.mark.parametrize("seed", SEEDS)
def test_light_varies_smoothly_and_without_colour(seed: int) -> None:
    scene = Scene(illumination=1.0, illumination_strength=0.3)
    made = scene(flat(100), np.random.default_rng(seed)).astype(int)
    assert np.ptp(made) > 5
    assert np.abs(np.diff(made, axis=0)).max() <= 6
    assert np.abs(np.diff(made, axis=1)).max() <= 6
    assert np.ptp(made, axis=2).max() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_highlights_brighten_little_spots(seed: int) -> None:
    scene = Scene(highlights=1.0, highlights_size=0.02)
    made = scene(flat(100), np.random.default_rng(seed))
    brighter = made[..., 0] > 100
    assert made.min() == 100
    assert made.max() > 150
    assert 0 < brighter.mean() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dark_does_not_shine(seed: int) -> None:
    scene = Scene(highlights=1.0, highlights_size=0.02)
    assert scene(flat(20), np.random.default_rng(seed)).max() == 20


@pytest.mark.parametrize("seed", SEEDS)
def test_cutouts_are_at_most_three_small_patches(seed: int) -> None:
    scene = Scene(cutouts=1.0, cutouts_size=0.15)
    image = atlas()
    made = scene(image, np.random.default_rng(seed))
    changed = np.any(made != image, axis=2)
    assert cv2.connectedComponents(changed.astype(np.uint8))[0] - 1 <= 3
    assert changed.sum() <= 3 * (0.15 * 256 + 2) ** 2
    np.testing.assert_array_equal(image, atlas())


def test_cutouts_hide_something() -> None:
    scene = Scene(cutouts=1.0, cutouts_size=0.15)
    made = (scene(atlas(), np.random.default_rng(seed)) for seed in SEEDS)
    assert sum(bool(np.any(one != atlas())) for one in made) == len(SEEDS)
