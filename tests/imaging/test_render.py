"""Rendered answers, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.imaging import (
    decode,
    decode_rle,
    encode_rle,
    phantom,
    render_overlay,
    render_png,
    render_probability,
    resize,
    segment,
    upsample,
)
from tests.imaging.files import encode


def _read(data: bytes, mode: str) -> NDArray[np.uint8]:
    image = Pillow.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("PNG", mode)
    return np.array(image)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**32))
@settings(deadline=None)
def test_png_and_rle_are_the_same_mask(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = (random.random((height, width)) < random.random()).astype(np.uint8) * 255
    assert np.array_equal(_read(render_png(mask), "L"), mask)
    assert np.array_equal(decode_rle(encode_rle(mask), height, width), mask)


@pytest.mark.parametrize(
    ("height", "width", "orientation"),
    [
        *((16, 16, orientation) for orientation in range(1, 9)),
        *((17, 31, orientation) for orientation in range(1, 9)),
        *((333, 250, orientation) for orientation in range(1, 9)),
        (1080, 1920, 1),
        (1080, 1920, 6),
    ],
)
def test_mask_has_source_size(height: int, width: int, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    picture, truth = phantom(height, width)
    image = decode(encode(picture, "JPEG", exif=exif))
    # A model that is always right, at its own size.
    upright = decode(encode(truth, "PNG", exif=exif)).pixels[:, :, 0]
    probability = (resize(upright, 256, 256) / 255).astype(np.float32)
    found = segment(upsample(probability, image.header.height, image.header.width), 0.5)
    assert found.mask.shape == image.pixels.shape[:2]
    assert (found.mask == upright).mean() > 0.98
    written = _read(render_png(found.mask), "L")
    assert np.array_equal(written, decode_rle(encode_rle(found.mask), *found.mask.shape))


def test_probability_is_within_half_a_step() -> None:
    probability = np.random.default_rng(0).random((33, 47), np.float32)
    probability[0, :3] = 0, 1, np.nextafter(np.float32(1), np.float32(2))
    shown = _read(render_probability(probability), "L")
    assert np.abs(shown - np.clip(probability, 0, 1) * 255).max() <= 0.5 + 1e-4
    assert shown[0, :3].tolist() == [0, 255, 255]


def test_overlay_draws_the_boundary_and_nothing_else() -> None:
    picture, mask = phantom(288, 384)
    shown = _read(render_overlay(picture, mask), "RGB")
    foreground = mask != 0
    # Chebyshev distance to the other side, by shifting.
    near = np.zeros_like(foreground)
    padded = np.pad(foreground, 4, mode="edge")
    for dy in range(9):
        for dx in range(9):
            near |= padded[dy : dy + 288, dx : dx + 384] != foreground
    assert np.array_equal(shown[~near], picture[~near])
    edge = np.pad(foreground, 1)[1:-1, 2:] != foreground
    assert edge.any()
    assert (shown[edge] != picture[edge]).any(axis=1).all()


def test_overlay_of_an_empty_mask_is_the_image() -> None:
    picture, mask = phantom(50, 70, polyp=False)
    before = picture.copy()
    assert np.array_equal(_read(render_overlay(picture, mask), "RGB"), picture)
    assert np.array_equal(picture, before)


def test_overlay_outlines_holes() -> None:
    grey = np.full((60, 60, 3), 128, np.uint8)
    mask = np.zeros((60, 60), np.uint8)
    mask[5:55, 5:55] = 255
    mask[25:35, 25:35] = 0
    shown = _read(render_overlay(grey, mask), "RGB")
    assert (shown[25, 25:35] != 128).any()
    assert np.array_equal(shown[30, 30], [128, 128, 128])
    assert (grey == 128).all()
