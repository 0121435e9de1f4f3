"""Masks and regions, against a flood fill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.imaging import Field, Region, segment
from app.imaging.segment import MAX_REGIONS

Pixels = list[tuple[int, int]]


def _flood_fill(foreground: NDArray[np.bool_]) -> list[Pixels]:
    """The 8-connected components, in the order of their first pixel."""
    height, width = foreground.shape
    cells = foreground.tolist()
    seen: set[tuple[int, int]] = set()
    found = []
    for start in zip(*map(np.ndarray.tolist, np.nonzero(foreground)), strict=True):
        if start in seen:
            continue
        seen.add(start)
        stack, pixels = [start], []
        while stack:
            y, x = stack.pop()
            pixels.append((y, x))
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                inside = 0 <= near[0] < height and 0 <= near[1] < width
                if inside and near not in seen and cells[near[0]][near[1]]:
                    seen.add(near)
                    stack.append(near)
        found.append(pixels)
    return found


def _region(pixels: Pixels, probability: NDArray[np.float32]) -> Region:
    rows, columns = zip(*pixels, strict=True)
    top, left = min(rows), min(columns)
    box = (left, top, max(columns) - left + 1, max(rows) - top + 1)
    return Region(box, len(pixels), max(float(probability[pixel]) for pixel in pixels))


@st.composite
def maps(draw: st.DrawFn) -> NDArray[np.float32]:
    height, width = draw(st.integers(1, 16)), draw(st.integers(1, 16))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random.random((height, width), np.float32)


@given(maps(), st.sampled_from([0.05, 0.5, 0.8, 0.95, 0.999]), st.sampled_from([0, 1, 2, 5, 1000]))
@settings(max_examples=200, deadline=None)
def test_agrees_with_a_flood_fill(
    probability: NDArray[np.float32], threshold: float, min_area: int
) -> None:
    result = segment(probability, threshold, min_area=min_area)
    components = _flood_fill(probability >= np.float32(threshold))
    kept = [pixels for pixels in components if len(pixels) >= min_area]
    mask = np.zeros(probability.shape, np.uint8)
    for pixels in kept:
        mask[tuple(zip(*pixels, strict=True))] = 255
    assert np.array_equal(result.mask, mask)
    assert result.mask.dtype == np.uint8
    expected = sorted((_region(p, probability) for p in kept), key=lambda r: -r.area_px)
    assert [r.area_px for r in result.regions] == [r.area_px for r in expected]
    assert set(result.regions) == set(expected)
    assert result.area_px == (mask != 0).sum()
    in_mask = probability[mask != 0] if kept else probability
    assert result.score == in_mask.max()
    assert result.threshold == threshold


@given(data=st.data(), part=maps(), threshold=st.sampled_from([0.05, 0.5, 0.95, 0.999]))
def test_found_in_a_part_as_in_a_frame_that_is_black_around_it(
    data: st.DataObject, part: NDArray[np.float32], threshold: float
) -> None:
    (height, width), edge = part.shape, st.integers(0, 5)
    top, bottom, left, right = (data.draw(edge) for _ in range(4))
    field = Field(top, left, height, width)
    whole = np.pad(part, ((top, bottom), (left, right)))
    found = segment(part, threshold, min_area=2).within(field, *whole.shape)
    expected = segment(whole, threshold, min_area=2)
    np.testing.assert_array_equal(found.mask, expected.mask)
    assert found.regions == expected.regions
    assert (found.area_px, found.score) == (expected.area_px, expected.score)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.123456789])
def test_threshold_itself_is_foreground(threshold: float) -> None:
    at = np.float32(threshold)
    below, above = np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(1))
    probability = np.array([[below, at, above]], np.float32)
    assert segment(probability, threshold).mask.tolist() == [[0, 255, 255]]


def test_no_polyp() -> None:
    probability = np.full((7, 9), 0.25, np.float32)
    result = segment(probability, 0.5)
    assert not result.mask.any()
    assert (result.regions, result.area_px, result.score) == ((), 0, 0.25)


def test_small_regions_leave_the_mask_and_the_score() -> None:
    probability = np.zeros((20, 20), np.float32)
    probability[2:8, 2:8] = 0.6
    probability[15, 15] = 0.99
    result = segment(probability, 0.5, min_area=2)
    assert result.mask[15, 15] == 0
    assert result.regions == (Region((2, 2, 6, 6), 36, float(np.float32(0.6))),)
    assert result.score == float(np.float32(0.6))
    # When nothing is left, the score is that of the image.
    nothing = segment(probability, 0.5, min_area=37)
    assert not nothing.mask.any()
    assert (nothing.regions, nothing.area_px) == ((), 0)
    assert nothing.score == float(np.float32(0.99))


def test_regions_touch_at_corners_and_may_have_holes() -> None:
    probability = np.zeros((12, 12), np.float32)
    probability[1:6, 1:6] = 0.9
    probability[3, 3] = 0
    probability[6, 6] = 0.8
    (region,) = segment(probability, 0.5).regions
    assert region.bbox == (1, 1, 6, 6)
    assert region.area_px == 25


def test_list_is_capped_and_the_mask_is_not() -> None:
    probability = np.zeros((60, 60), np.float32)
    probability[::3, ::3] = 0.7
    probability[30:32, 30:32] = 0.6
    result = segment(probability, 0.5)
    assert len(result.regions) == MAX_REGIONS
    assert result.regions[0].area_px == 4
    assert result.area_px == 403
    # Of equal ones, the topmost come first.
    assert [r.bbox[1] for r in result.regions[1:21]] == [0] * 20


def test_score_is_a_probability() -> None:
    over = np.nextafter(np.float32(1), np.float32(2))
    result = segment(np.full((2, 2), over, np.float32), 0.5)
    assert result.score == 1.0
    assert result.regions[0].score == 1.0


def test_input_is_left_alone() -> None:
    probability = np.random.default_rng(0).random((9, 9), np.float32)
    before = probability.copy()
    segment(probability, 0.5, min_area=3)
    assert np.array_equal(probability, before)
