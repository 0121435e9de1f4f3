"""Each setting alone does what its name says, and keeps what it must keep."""

import colorsys

import numpy as np
import pytest
from PIL import Image

from model_training.augmentation import Colour
from tests.model_training.augmentation.drawn import Pixels

SEEDS = range(10)
GREYS = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
PALETTE = np.array([[[190, 110, 95], [120, 80, 70], [150, 140, 90], [90, 100, 130]]], np.uint8)


def run(colour: Colour, seed: int, image: Pixels) -> Pixels:
    return colour(image, np.random.default_rng(seed))


def luma(image: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(image).convert("L"))


def test_nothing_is_done_by_default() -> None:
    np.testing.assert_array_equal(run(Colour(), 0, PALETTE), PALETTE)


@pytest.mark.parametrize("seed", SEEDS)
def test_exposure_multiplies(seed: int) -> None:
    made = run(Colour(probability=1.0, exposure=0.5), seed, GREYS)[0, :, 0]
    factor = made[150] / 150
    assert 2**-0.51 <= factor <= 2**0.51
    np.testing.assert_allclose(made, np.minimum(np.arange(256) * factor, 255), atol=1.6)


@pytest.mark.parametrize("seed", SEEDS)
def test_brightness_adds(seed: int) -> None:
    made = run(Colour(probability=1.0, brightness=0.1), seed, GREYS)[0, :, 0].astype(int)
    offset = made[128] - 128
    assert abs(offset) <= 26
    np.testing.assert_array_equal(made, np.clip(np.arange(256) + offset, 0, 255))


@pytest.mark.parametrize("seed", SEEDS)
def test_contrast_turns_about_middle_grey(seed: int) -> None:
    made = run(Colour(probability=1.0, contrast=1.5), seed, GREYS)[0, :, 0].astype(float)
    slope = (made[160] - made[96]) / 64
    assert made[127] == pytest.approx(127, abs=1)
    assert 1 / 1.55 <= slope <= 1.55


@pytest.mark.parametrize("seed", SEEDS)
def test_gamma_is_a_power(seed: int) -> None:
    made = run(Colour(probability=1.0, gamma=1.5), seed, GREYS)[0, :, 0]
    exponent = np.log(made[128] / 255) / np.log(128 / 255)
    assert 1 / 1.53 <= exponent <= 1.53
    np.testing.assert_allclose(made, 255 * (np.arange(256) / 255) ** exponent, atol=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_saturation_keeps_luma_and_hue(seed: int) -> None:
    made = run(Colour(probability=1.0, saturation=0.5), seed, PALETTE)
    np.testing.assert_allclose(luma(made).astype(int), luma(PALETTE), atol=2)
    for before, after in zip(PALETTE[0], made[0], strict=True):
        hues = [colorsys.rgb_to_hsv(*(int(c) / 255 for c in one))[0] for one in (before, after)]
        assert hues[0] == pytest.approx(hues[1], abs=0.02)
    spread = np.ptp(made[0, 0].astype(int)) / np.ptp(PALETTE[0, 0].astype(int))
    assert 0.45 <= spread <= 1.55


@pytest.mark.parametrize("seed", SEEDS)
def test_hue_leaves_grey_grey_and_turns_a_little(seed: int) -> None:
    colour = Colour(probability=1.0, hue=20.0)
    np.testing.assert_array_equal(run(colour, seed, GREYS), GREYS)
    made = run(colour, seed, PALETTE)
    before, after = (
        np.array([colorsys.rgb_to_hsv(*(int(c) / 255 for c in one))[0] for one in image[0]])
        for image in (PALETTE, made)
    )
    turns = (after - before + 0.5) % 1.0 - 0.5
    assert np.all(np.abs(turns) * 360 <= 26)  # HSV measures along a hexagon
    assert len({bool(turn > 0) for turn in turns}) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_white_balance_scales_each_channel(seed: int) -> None:
    made = run(Colour(probability=1.0, white_balance=0.25), seed, GREYS)[0]
    gains = made[180] / 180
    assert np.all((gains >= 2**-0.26) & (gains <= 2**0.26))
    assert np.ptp(gains) > 0
    np.testing.assert_allclose(made, np.minimum(np.outer(np.arange(256), gains), 255), atol=1.5)


def test_casts_go_several_ways() -> None:
    colour = Colour(cast=1.0, cast_strength=0.5)
    casts = [run(colour, seed, GREYS)[0, 150] for seed in range(30)]
    assert {int(np.argmax(cast)) for cast in casts} == {0, 1, 2}
    assert all(np.ptp(cast.astype(int)) > 10 for cast in casts)


@pytest.mark.parametrize("seed", SEEDS)
def test_narrow_band_shows_little_of_the_red_channel(seed: int) -> None:
    colour = Colour(narrow_band=1.0)
    redder = PALETTE + np.array([40, 0, 0], np.uint8)
    lift = run(colour, seed, redder).astype(int) - run(colour, seed, PALETTE)
    assert np.all(lift <= 17)  # at least six tenths of the effect
    mucosa = run(colour, seed, PALETTE)[0, 0].astype(int)
    assert mucosa[0] - mucosa[1] < 0.5 * (190 - 110)
