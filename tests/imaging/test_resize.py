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


def _stretched(picture: NDArray[np.generic], height: int, width: int) -> NDArray[np.float64]:
    rows, columns = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    stretched: NDArray[np.float64] = np.einsum(
        "hy,yx...,wx->hw...", rows, picture.astype(float), columns
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
    expected = _stretched(picture, target_height, target_width)
    # Two roundings, and OpenCV interpolates bytes with 11-bit weights.
    assert np.abs(small - expected).max() <= 1.6

    probability = random.random((height, width), np.float32)
    large = upsample(probability, target_height, target_width)
    assert large.dtype == np.float32
    assert np.allclose(large, _stretched(probability, target_height, target_width), atol=1e-5)


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
