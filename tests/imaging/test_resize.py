"""The one resize, against sums written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.imaging import phantom, resize, upsample


def _weights(source: int, target: int) -> NDArray[np.float64]:
    """One axis as a matrix: area averages to shrink, linear interpolation to grow."""
    weights = np.zeros((target, source))
    scale = source / target
    for out in range(target):
        if target <= source:
            low, high = out * scale, (out + 1) * scale
            for pixel in range(source):
                weights[out, pixel] = max(0.0, min(high, pixel + 1) - max(low, pixel)) / scale
        else:
            place = min(max((out + 0.5) * scale - 0.5, 0), source - 1)
            left = min(int(place), max(source - 2, 0))
            weights[out, left] += 1 - (place - left)
            weights[out, min(left + 1, source - 1)] += place - left
    return weights


def _halved(picture: NDArray[np.generic], height: int, width: int) -> NDArray[np.float64]:
    """Mean of two by two pixels, as often as it fits."""
    found = picture.astype(float)
    while not any(side % 2 for side in found.shape[:2]) and (
        found.shape[0] // 2 >= height and found.shape[1] // 2 >= width
    ):
        found = (found[::2, ::2] + found[1::2, ::2] + found[::2, 1::2] + found[1::2, 1::2]) / 4
    return found


def _stretched(picture: NDArray[np.generic], height: int, width: int) -> NDArray[np.float64]:
    rows, columns = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    stretched: NDArray[np.float64] = np.einsum(
        "hy,yx...,wx->hw...", rows, picture.astype(float), columns, optimize=True
    )
    return stretched


sizes = st.integers(1, 24)


@given(height=sizes, width=sizes, target_height=sizes, target_width=sizes, seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_each_axis_is_averaged_or_interpolated(
    height: int, width: int, target_height: int, target_width: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
    small = resize(picture, target_height, target_width)
    assert small.dtype == np.uint8
    assert small.shape == (target_height, target_width, 3)
    halved = _halved(picture, target_height, target_width)
    expected = _stretched(halved, target_height, target_width)
    halvings = int(np.log2(height // len(halved)))
    # Each step rounds, and OpenCV interpolates bytes with 11-bit weights.
    assert np.abs(small - expected).max() <= max(1.6, 0.5 * (halvings + 1) + 0.01)

    probability = random.random((height, width), np.float32)
    large = upsample(probability, target_height, target_width)
    assert large.dtype == np.float32
    assert np.allclose(large, _stretched(probability, target_height, target_width), atol=1e-5)


@pytest.mark.parametrize(
    ("source", "halved"),
    [
        ((576, 720), (288, 360)),
        ((1080, 1920), (270, 480)),
        ((512, 512), (256, 256)),
        ((511, 720), (511, 720)),  # a side is odd
        ((510, 720), (510, 720)),  # and half of one too small
    ],
)
def test_large_pictures_are_halved_while_they_can_be(
    source: tuple[int, int], halved: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*source, 3)).astype(np.uint8)
    blocks = noise.reshape(halved[0], source[0] // halved[0], halved[1], source[1] // halved[1], 3)
    expected = _stretched(blocks.mean((1, 3)), 256, 256)
    assert np.abs(resize(noise, 256, 256) - expected).max() <= 1.6


def test_a_mask_is_halved_like_its_picture() -> None:
    mask = phantom(576, 720)[1]
    picture = np.repeat(mask[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(resize(mask, 256, 256), resize(picture, 256, 256)[..., 0])


def test_same_size_is_free() -> None:
    picture = phantom(20, 30)[0]
    assert resize(picture, 20, 30) is picture


def test_mask_stays_two_dimensional() -> None:
    mask = phantom(64, 64)[1]
    assert resize(mask, 20, 31).shape == (20, 31)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (576, 720), (31, 1920)])
def test_probabilities_stay_probabilities(height: int, width: int) -> None:
    extreme = (np.indices((256, 256)).sum(axis=0) % 2).astype(np.float32)
    grown = upsample(extreme, height, width)
    assert grown.min() >= 0
    assert grown.max() <= 1
    assert np.array_equal(upsample(np.ones_like(extreme), height, width), np.ones((height, width)))


def test_fine_detail_does_not_alias_when_only_one_axis_shrinks() -> None:
    # OpenCV's area mode alone would interpolate here, and keep every other line.
    lines = np.zeros((64, 16, 3), np.uint8)
    lines[::2] = 200
    assert (resize(lines, 16, 64) == 100).all()
