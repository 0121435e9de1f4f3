"""The whole chain: identity, seeds, types, and a mask that stays with its polyp."""

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from app.imaging import phantom
from model_training.augmentation import (
    AUGMENTATIONS,
    CAMERAS,
    MODERATE,
    PATIENTS,
    ROBUST,
    Augmentation,
)
from tests.model_training.augmentation.drawn import blob

ALWAYS = Augmentation(
    graft=replace(PATIENTS.graft, probability=1.0),
    geometry=replace(ROBUST.geometry, probability=1.0),
    scene=replace(ROBUST.scene, illumination=1.0, highlights=1.0, cutouts=1.0),
    colour=replace(ROBUST.colour, probability=1.0, cast=1.0, narrow_band=1.0),
    optics=replace(ROBUST.optics, blur=1.0, fringes=1.0),
    signal=replace(ROBUST.signal, resample=1.0, noise=1.0, interlace=1.0, sharpen=1.0, jpeg=1.0),
    surround=replace(ROBUST.surround, border=1.0, inset=1.0, text=1.0),
)


def test_all_off_is_the_identity() -> None:
    image, mask = blob()
    made, target = AUGMENTATIONS["none"](image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(made, image)
    np.testing.assert_array_equal(target, mask)


@pytest.mark.parametrize(
    "augmentation",
    [MODERATE, CAMERAS, ROBUST, ALWAYS],
    ids=["moderate", "cameras", "robust", "always"],
)
@pytest.mark.parametrize("shape", [(256, 256), (97, 131), (32, 48)])
def test_shape_type_and_range_are_kept(augmentation: Augmentation, shape: tuple[int, int]) -> None:
    image, mask = blob(*shape)
    kept = image.copy(), mask.copy()
    for seed in range(25):
        made, target = augmentation(image, mask, np.random.default_rng(seed))
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        assert target.shape == mask.shape
        assert target.dtype == np.uint8
        assert set(np.unique(target)) <= {0, 1}
        assert made.flags.c_contiguous
        assert target.flags.c_contiguous
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(mask, kept[1])


@pytest.mark.parametrize(
    "augmentation",
    [MODERATE, CAMERAS, ROBUST, ALWAYS],
    ids=["moderate", "cameras", "robust", "always"],
)
def test_equal_seeds_give_equal_examples(augmentation: Augmentation) -> None:
    image, mask = blob()
    for seed in range(15):
        first, second = (augmentation(image, mask, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_presets_change_more_and_more() -> None:
    # A grey plane stays one under every warp: what differs is what was done to its colours.
    image, empty = np.full((96, 96, 3), 128, np.uint8), np.zeros((96, 96), np.uint8)

    def change(augmentation: Augmentation) -> float:
        made = (augmentation(image, empty, np.random.default_rng(n))[0] for n in range(200))
        return float(np.mean([np.abs(one.astype(int) - 128).mean() for one in made]))

    moderate, cameras, robust = (change(preset) for preset in (MODERATE, CAMERAS, ROBUST))
    assert 0 < moderate < 0.8 * cameras
    assert cameras < 0.8 * robust


def test_other_seeds_give_other_examples() -> None:
    image, mask = blob()
    made = {ROBUST(image, mask, np.random.default_rng(seed))[0].tobytes() for seed in range(30)}
    assert len(made) == 30


def test_without_a_polyp_there_is_none_afterwards() -> None:
    image, _ = phantom(128, 128, polyp=False)
    empty = np.zeros((128, 128), np.uint8)
    assert not any(ROBUST(image, empty, np.random.default_rng(s))[1].any() for s in range(15))


def test_mask_stays_with_its_polyp() -> None:
    """What was white stays the brightest part in any colour: its mask can be found again."""
    augmentation = replace(ROBUST, scene=Augmentation().scene, surround=Augmentation().surround)
    image, mask = blob()
    overlaps = []
    for seed in range(60):
        made, target = augmentation(image, mask, np.random.default_rng(seed))
        grey = cv2.medianBlur(made, 5).max(axis=2)
        inside, around = grey[target == 1], grey[(target == 0) & (grey > 30)]
        seen = grey > (np.median(inside).astype(float) + np.median(around)) / 2
        overlaps.append((seen & (target == 1)).sum() / (seen | (target == 1)).sum())
    assert np.median(overlaps) > 0.97
    assert min(overlaps) > 0.8  # the smallest ones under the strongest blur


def test_most_polyps_stay_in_sight() -> None:
    kept = []
    for seed in range(60):
        image, mask = phantom(128, 128, seed=seed)
        target = ROBUST(image, np.asarray(mask // 255, np.uint8), np.random.default_rng(seed))[1]
        kept.append(bool(target.sum() >= 0.2 * (mask > 0).sum()))
    assert np.mean(kept) > 0.85


def test_settings_can_be_written_into_a_manifest() -> None:
    settings = json.loads(json.dumps(asdict(ROBUST)))
    assert settings == asdict(ROBUST)
    assert settings["geometry"]["rotation"] == 180.0
