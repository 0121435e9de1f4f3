"""Generated pictures: deterministic, of any size, with a mask that fits."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging import decode, phantom, phantom_jpeg, resize


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (288, 384), (77, 500)])
def test_any_size(height: int, width: int) -> None:
    picture, mask = phantom(height, width)
    assert picture.shape == (height, width, 3)
    assert mask.shape == (height, width)
    assert picture.dtype == mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 255}


@pytest.mark.parametrize("seed", range(8))
def test_polyp_is_there_and_redder_than_the_wall(seed: int) -> None:
    picture, mask = phantom(144, 192, seed=seed)
    share = (mask != 0).mean()
    assert 0.02 < share < 0.25
    red = picture[:, :, 0].astype(float) / (picture.sum(axis=2) + 1)
    bright = picture[:, :, 0] > 60
    assert red[(mask != 0) & bright].mean() > red[(mask == 0) & bright].mean()


def test_same_seed_is_the_same_picture() -> None:
    for one, other in zip(phantom(60, 80, seed=3), phantom(60, 80, seed=3), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(phantom(60, 80, seed=3)[0], phantom(60, 80, seed=4)[0])


def test_same_seed_is_the_same_scene_at_another_size() -> None:
    small, small_mask = phantom(144, 192, seed=2)
    large, large_mask = phantom(432, 576, seed=2)
    assert np.abs(resize(large, 144, 192).astype(int) - small).mean() < 3
    assert abs((large_mask != 0).mean() - (small_mask != 0).mean()) < 0.002


def test_without_a_polyp_the_mask_is_empty_and_the_wall_the_same() -> None:
    with_polyp, mask = phantom(144, 192, seed=5)
    without, empty = phantom(144, 192, seed=5, polyp=False)
    assert not empty.any()
    far = np.ones(mask.shape, bool)
    rows, columns = np.nonzero(mask)
    far[rows.min() - 30 : rows.max() + 30, columns.min() - 30 : columns.max() + 30] = False
    assert np.abs(with_polyp[far].astype(int) - without[far]).max() <= 1


def test_a_jpeg_shows_the_same_scene() -> None:
    expected, _ = phantom(96, 120, seed=3)
    shown = decode(phantom_jpeg(96, 120, seed=3)).pixels
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 4
