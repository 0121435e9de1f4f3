"""The PNG writer, read back by Pillow (zlib) and OpenCV (libpng), which check every checksum."""

from __future__ import annotations

import io
import itertools

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.imaging import phantom
from app.imaging.png import Filter, write_png


def _check(picture: NDArray[np.uint8], kind: Filter) -> None:
    data = write_png(picture, kind)
    with Pillow.open(io.BytesIO(data)) as image:
        image.verify()
    with Pillow.open(io.BytesIO(data)) as image:
        assert image.mode == ("L" if picture.ndim == 2 else "RGB")
        assert np.array_equal(np.asarray(image), picture)
    flag = cv2.IMREAD_UNCHANGED if picture.ndim == 2 else cv2.IMREAD_COLOR_RGB
    read = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    assert read is not None
    assert np.array_equal(read, picture)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([(), (3,)]),
    st.sampled_from(Filter),
    st.integers(1, 256),
    st.integers(0, 2**32),
)
@example(1, 1, (), Filter.UP, 1, 0)
@settings(deadline=None)
def test_any_picture(
    height: int, width: int, channels: tuple[int, ...], kind: Filter, levels: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    _check(random.integers(0, levels, (height, width, *channels), np.uint8), kind)


@pytest.mark.parametrize(("polyp", "kind"), list(itertools.product([True, False], Filter)))
def test_large_pictures(polyp: bool, kind: Filter) -> None:
    picture, mask = phantom(1080, 1920, polyp=polyp)
    _check(mask, kind)
    _check(picture, kind)


def test_views_are_written_as_they_look() -> None:
    picture, mask = phantom(48, 64)
    _check(mask.T, Filter.NONE)
    _check(picture[::-2, ::3], Filter.UP)


def test_masks_are_small() -> None:
    _, mask = phantom(576, 720)
    assert len(write_png(mask, Filter.NONE)) < mask.size / 300
