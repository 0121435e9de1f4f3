"""Calibration against a plain loop and against maps whose error is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from model_training.evaluation.calibration import (
    bin_pixels,
    expected_calibration_error,
    region_of_interest,
)


def test_region_is_the_box_made_half_again_as_large() -> None:
    truth = np.zeros((100, 200), np.uint8)
    truth[40:60, 80:120] = 255
    expected = np.zeros((100, 200), bool)
    expected[35:65, 70:130] = True
    np.testing.assert_array_equal(region_of_interest(truth), expected)


def test_region_of_a_slanted_polyp_is_its_box_and_stays_in_the_frame() -> None:
    truth = np.zeros((20, 20), np.uint8)
    np.fill_diagonal(truth[:8, :8], 255)
    expected = np.zeros((20, 20), bool)
    expected[:10, :10] = True
    np.testing.assert_array_equal(region_of_interest(truth), expected)


def test_regions_of_two_polyps_are_joined() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[4:8, 4:8] = truth[28:36, 20:28] = 255
    region = region_of_interest(truth)
    assert region.sum() == 6 * 6 + 12 * 12
    assert region[3:9, 3:9].all()
    assert region[26:38, 18:30].all()


def test_no_polyp_no_region() -> None:
    truth = np.zeros((8, 8), np.uint8)
    assert not region_of_interest(truth).any()
    bins = bin_pixels(np.full((8, 8), 0.9, np.float32), truth)
    assert bins.sum() == 0
    assert expected_calibration_error(bins) == 0.0


@given(
    arrays(np.float32, (6, 8), elements=st.floats(0, 1, width=32)),
    arrays(np.uint8, (6, 8), elements=st.sampled_from([0, 255])),
)
def test_error_agrees_with_a_loop(
    probability: NDArray[np.float32], truth: NDArray[np.uint8]
) -> None:
    region = region_of_interest(truth)
    bins: dict[int, list[tuple[float, bool]]] = {}
    for p, t in zip(probability[region].tolist(), truth[region].tolist(), strict=True):
        place = next(k for k in range(15) if p * 15 < k + 1 or k == 14)
        bins.setdefault(place, []).append((p, t > 0))
    total = sum(len(members) for members in bins.values())
    expected = sum(
        len(members)
        / total
        * abs(sum(p for p, _ in members) / len(members) - sum(t for _, t in members) / len(members))
        for members in bins.values()
    )
    assert expected_calibration_error(bin_pixels(probability, truth)) == pytest.approx(expected)


def test_certain_and_wrong_half_of_the_time() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[:, :10] = 255
    bins = bin_pixels(np.full((20, 20), 0.9, np.float32), truth)
    # The region reaches two columns beyond the ten of the polyp (a quarter of 10, rounded down).
    share = 10 / 12
    assert expected_calibration_error(bins) == pytest.approx(abs(0.9 - share), abs=1e-6)


def test_pooling_frames_is_not_averaging_their_errors() -> None:
    truth = np.full((10, 10), 255, np.uint8)
    low, high = (np.full((10, 10), p, np.float32) for p in (0.5, 1.0))
    pooled = bin_pixels(low, truth) + bin_pixels(high, truth)
    assert expected_calibration_error(pooled) == pytest.approx(0.25)
