"""What a border or an inset covers is dark or drawn, and has no polyp; the rest is untouched."""

import cv2
import numpy as np
import pytest

from model_training.augmentation import Surround
from tests.model_training.augmentation.drawn import Pixels, atlas, flat

SEEDS = range(24)
FULL = np.ones((256, 256), np.uint8)


def run(surround: Surround, seed: int, image: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
    return surround(image, mask, np.random.default_rng(seed))


def test_nothing_is_done_by_default() -> None:
    image, mask = run(Surround(), 0, atlas(), FULL)
    np.testing.assert_array_equal(image, atlas())
    np.testing.assert_array_equal(mask, FULL)


@pytest.mark.parametrize("seed", SEEDS)
def test_border_is_dark_and_takes_the_mask_with_it(seed: int) -> None:
    image, mask = run(Surround(border=1.0, border_size=0.2), seed, atlas(), FULL)
    covered = mask == 0
    np.testing.assert_array_equal(image[~covered], atlas()[~covered])
    assert len(np.unique(image[covered])) <= 1
    assert image[covered].max(initial=0) < 28
    assert mask.mean() > 0.35  # two sides of one fifth, and corners


@pytest.mark.parametrize("seed", SEEDS)
def test_field_of_view_is_convex(seed: int) -> None:
    _, mask = run(Surround(border=1.0, border_size=0.2), seed, atlas(), FULL)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert len(contours) == 1
    hull = np.zeros_like(mask)
    cv2.fillConvexPoly(hull, cv2.convexHull(contours[0]), 1)
    assert (hull != mask).mean() < 0.005


def test_fields_of_view_have_several_shapes() -> None:
    corners = set()
    for seed in SEEDS:
        _, mask = run(Surround(border=1.0, border_size=0.2), seed, atlas(), FULL)
        x, y, width, height = cv2.boundingRect(mask)
        corners.add(round(float(mask[y : y + height, x : x + width].mean()), 1))
    assert {0.8, 0.9, 1.0} <= corners


@pytest.mark.parametrize("seed", SEEDS)
def test_inset_fills_a_corner_and_takes_the_mask_with_it(seed: int) -> None:
    image, mask = run(Surround(inset=1.0, inset_size=0.3), seed, atlas(), FULL)
    covered = mask == 0
    np.testing.assert_array_equal(image[~covered], atlas()[~covered])
    x, y, width, height = cv2.boundingRect(covered.astype(np.uint8))
    assert covered.sum() == width * height  # one rectangle
    assert x in {0, 256 - width}
    assert y in {0, 256 - height}
    assert min(width, height) >= 0.4 * 0.3 * 256 - 1
    assert max(width, height) <= 0.3 * 256


def test_inset_is_black_or_green_or_a_second_view() -> None:
    kinds = set()
    for seed in SEEDS:
        image, mask = run(Surround(inset=1.0, inset_size=0.3), seed, flat(150, 256, 256), FULL)
        kinds.add(int(np.argmax([*image[mask == 0][0], 1])))
    assert kinds == {0, 1, 3}


def test_an_inset_too_small_to_see_is_left_out() -> None:
    image, mask = run(Surround(inset=1.0, inset_size=0.001), 0, atlas(), FULL)
    np.testing.assert_array_equal(image, atlas())
    assert mask.all()


@pytest.mark.parametrize("seed", SEEDS)
def test_text_is_thin_and_leaves_the_mask(seed: int) -> None:
    image, mask = run(Surround(text=1.0), seed, flat(60, 256, 256), FULL)
    written = np.any(image != 60, axis=2)
    assert 0 < written.mean() < 0.08
    assert mask.all()
