"""The field of view: what is cut off a frame, and what never is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.imaging import Field, field_of_view

SIDES = st.integers(1, 500)
GRID = 8


def framed(
    inner: np.ndarray, top: int, left: int, bottom: int, right: int, *, level: int = 24
) -> np.ndarray:
    """Put a border of dark noise around a picture."""
    height, width = inner.shape[:2]
    shape = (top + height + bottom, left + width + right, 3)
    pixels = np.random.default_rng(0).integers(0, level + 1, shape).astype(np.uint8)
    pixels[top : top + height, left : left + width] = inner
    return pixels


@given(st.data())
def test_a_border_is_cut_off_to_within_a_sample_and_the_grid(data: st.DataObject) -> None:
    height, width = data.draw(SIDES), data.draw(SIDES)
    top, bottom = (data.draw(st.integers(0, height)) for _ in range(2))
    left, right = (data.draw(st.integers(0, width)) for _ in range(2))
    pixels = framed(np.full((height, width, 3), 200, np.uint8), top, left, bottom, right)
    found = field_of_view(pixels)
    for begin, size, first, length, side in (
        (found.top, found.height, top, height, pixels.shape[0]),
        (found.left, found.width, left, width, pixels.shape[1]),
    ):
        step = max(1, side // 96)
        assert begin <= first
        assert begin + size >= first + length
        assert first - begin < step + GRID
        assert begin + size - first - length < step + GRID
        # So that the picture can be halved, as `resize` does where it can.
        assert begin % GRID == 0
        assert (begin + size) % GRID == 0 or begin + size == side


@given(SIDES, SIDES, st.integers(0, 24))
def test_a_frame_that_is_dark_is_kept_whole(height: int, width: int, level: int) -> None:
    pixels = np.full((height, width, 3), level, np.uint8)
    assert field_of_view(pixels) == Field(0, 0, height, width)


def test_one_bright_channel_is_enough() -> None:
    pixels = framed(np.full((60, 60, 3), (200, 0, 0), np.uint8), 20, 20, 20, 20)
    assert field_of_view(pixels) == Field(16, 16, 64, 64)


def test_specks_in_the_border_do_not_count_and_writing_does() -> None:
    pixels = framed(np.full((60, 60, 3), 200, np.uint8), 20, 20, 20, 20)
    pixels[5, 7] = pixels[90, 90] = 255
    assert field_of_view(pixels) == Field(16, 16, 64, 64)
    pixels[40:44, 2:16] = 255
    assert field_of_view(pixels) == Field(16, 0, 64, 80)


def test_a_narrow_light_is_no_field() -> None:
    pixels = framed(np.full((20, 80, 3), 200, np.uint8), 40, 10, 40, 10)
    assert field_of_view(pixels) == Field(0, 8, 100, 88)


def test_the_corners_of_a_round_picture_stay() -> None:
    rows, columns = np.mgrid[:90, :90] - 44.5
    pixels = np.zeros((130, 190, 3), np.uint8)
    pixels[20:110, 50:140][rows**2 + columns**2 < 45**2] = 150
    assert field_of_view(pixels) == Field(16, 48, 96, 96)


@pytest.mark.parametrize("shape", [(50, 70, 3), (50, 70)])
def test_what_is_cropped_is_a_view(shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint64).astype(np.uint8).reshape(shape)
    part = Field(10, 20, 30, 40).crop(pixels)
    np.testing.assert_array_equal(part, pixels[10:40, 20:60])
    assert np.shares_memory(part, pixels)


def test_what_is_placed_lies_where_it_was_cropped() -> None:
    field = Field(10, 20, 30, 40)
    part = np.random.default_rng(0).random((30, 40), np.float32)
    whole = field.place(part, 50, 70)
    assert whole.shape == (50, 70)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole[10:40, 20:60], part)
    assert whole.sum() == pytest.approx(part.sum())
    assert Field(0, 0, 30, 40).place(part, 30, 40) is part


@pytest.mark.parametrize("shrink", [2, 4, 8])
@given(data=st.data())
def test_a_smaller_picture_has_the_same_field(shrink: int, data: st.DataObject) -> None:
    # Borders on the grid: each pixel of the smaller picture is all lit or all dark.
    rows, columns = (GRID * data.draw(st.integers(8, 60)) for _ in range(2))
    top, bottom, left, right = (GRID * data.draw(st.integers(0, 12)) for _ in range(4))
    pixels = framed(np.full((rows, columns, 3), 200, np.uint8), top, left, bottom, right)
    small = pixels[::shrink, ::shrink]
    found = field_of_view(small, shrink)
    assert found == field_of_view(pixels)
    part = found.crop(small, shrink)
    np.testing.assert_array_equal(part, found.crop(pixels)[::shrink, ::shrink])
    assert (part > 24).any(axis=2).sum() == rows * columns // shrink**2
