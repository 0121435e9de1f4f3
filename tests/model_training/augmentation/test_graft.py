"""A polyp of another example keeps its shape, takes on the light around it, and hides nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from model_training.augmentation import CAMERAS, PATIENTS, Graft
from tests.model_training.augmentation.drawn import Pixels, blob, flat

SEEDS = range(20)
ALWAYS = Graft(probability=1.0, scale_min=0.5, scale_max=1.2)
EMPTY = np.zeros((256, 256), np.uint8)


def polyp(ground: tuple[int, int, int] = (90, 90, 90), at: tuple[int, int] = (120, 130)) -> Pixels:
    """Draw a bright ellipse with stripes, 60 x 40 pixels."""
    image = np.full((256, 256, 3), ground, np.uint8)
    cv2.ellipse(image, at, (30, 20), 0.0, 0.0, 360.0, [min(one + 70, 255) for one in ground], -1)
    image[::4][outline(at)[::4] > 0] -= 30
    return image


def outline(at: tuple[int, int] = (120, 130)) -> Pixels:
    mask = EMPTY.copy()
    cv2.ellipse(mask, at, (30, 20), 0.0, 0.0, 360.0, 1, -1)
    return mask


DONOR = polyp(), outline()


def grafted(image: Pixels, mask: Pixels, seed: int, donor: tuple[Pixels, Pixels] = DONOR) -> Pixels:
    """Return the mask, after checks of what holds for every graft."""
    kept = [one.copy() for one in (image, mask, *donor)]
    made, target = ALWAYS(image, mask, donor, np.random.default_rng(seed))
    np.testing.assert_equal([image, mask, *donor], kept)
    new = np.asarray(target & (mask == 0), np.uint8)
    np.testing.assert_array_equal(target, mask | new)
    far = cv2.dilate(new, np.ones((41, 41), np.uint8)) == 0
    np.testing.assert_allclose(made[far].astype(int), image[far], atol=1)
    assert np.any(made != image) == bool(new.any())
    return new


def test_nothing_is_done_or_drawn_by_default() -> None:
    # Nothing is drawn: the other stages of older presets go on making what they made.
    rng = np.random.default_rng(0)
    made = Graft()(flat(100, 256, 256), EMPTY, DONOR, rng)
    np.testing.assert_equal(made, (flat(100, 256, 256), EMPTY))
    assert rng.random() == np.random.default_rng(0).random()


def test_the_preset_is_another_with_a_graft() -> None:
    assert replace(PATIENTS, graft=Graft()) == CAMERAS
    image, mask = blob()
    one, other = (preset(image, mask, np.random.default_rng(3)) for preset in (PATIENTS, CAMERAS))
    np.testing.assert_equal(one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_polyp_is_the_donors(seed: int) -> None:
    new = grafted(flat(100, 256, 256), EMPTY, seed)
    area = np.count_nonzero(new) / np.count_nonzero(DONOR[1])
    assert 0.9 * 0.5**2 < area < 1.1 * 1.2**2
    contours, _ = cv2.findContours(new, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert len(contours) == 1
    sides = sorted(cv2.minAreaRect(contours[0])[1])
    assert 1.2 < sides[1] / sides[0] < 1.8


def test_it_comes_anywhere_in_any_direction_and_size() -> None:
    made = [grafted(flat(100, 256, 256), EMPTY, seed) for seed in SEEDS]
    areas = [np.count_nonzero(one) for one in made]
    assert max(areas) > 2 * min(areas)
    assert np.any(made, axis=0).mean() > 0.3
    assert len({cv2.boundingRect(one)[2] > cv2.boundingRect(one)[3] for one in made}) == 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_light_is_that_of_the_new_place(seed: int) -> None:
    ground = (180, 120, 60)
    image = np.full((256, 256, 3), ground, np.uint8)
    made, target = ALWAYS(image, EMPTY, DONOR, np.random.default_rng(seed))
    ring = cv2.dilate(target, np.ones((9, 9), np.uint8)) - cv2.dilate(
        target, np.ones((5, 5), np.uint8)
    )
    assert np.abs(made[ring > 0].astype(int) - ground).max() <= 12
    # The polyp is as much brighter as it was, and as striped.
    inside = made[cv2.erode(target, np.ones((3, 3), np.uint8)) > 0].astype(int)
    assert np.all(inside.mean(axis=0) > np.array(ground) + 40)
    assert np.all(inside.std(axis=0) > 4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", [(10, 130), (120, 250), (252, 10)])
def test_a_polyp_that_the_edge_cuts_is_not_taken(at: tuple[int, int], seed: int) -> None:
    assert not grafted(flat(100, 256, 256), EMPTY, seed, (polyp(at=at), outline(at))).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_polyp_beside_a_border_is_not_taken(seed: int) -> None:
    image = polyp()
    image[:, :95] = 0
    assert not grafted(flat(100, 256, 256), EMPTY, seed, (image, outline())).any()


def test_without_a_polyp_nothing_is_taken() -> None:
    assert not grafted(flat(100, 256, 256), EMPTY, 0, (polyp(), EMPTY)).any()


@pytest.mark.parametrize("surround", [(5, 5, 5), (10, 140, 95)], ids=["border", "inset"])
def test_it_hides_no_polyp_and_avoids_what_is_no_mucosa(surround: tuple[int, int, int]) -> None:
    image, mask = flat(100, 256, 256), EMPTY.copy()
    image[:, :90], mask[130:, 90:] = surround, 1
    made = [grafted(image, mask, seed) for seed in range(60)]
    assert 5 < sum(bool(one.any()) for one in made) < 60
    for one in made:
        assert not one[:, :90].any()
        assert not (cv2.dilate(one, np.ones((3, 3), np.uint8)) & mask).any()


def test_equal_generators_graft_equally() -> None:
    for seed in SEEDS:
        one, other = (
            ALWAYS(flat(100, 256, 256), EMPTY, DONOR, np.random.default_rng(seed)) for _ in range(2)
        )
        np.testing.assert_equal(one, other)
