"""An image whose colours are coordinates tells what the warp did; OpenCV fits the transform."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.augmentation import ROBUST, Geometry
from tests.model_training.augmentation.drawn import Pixels, atlas, blob, centroid

Points = NDArray[np.float64]
SEEDS = range(12)
EMPTY = np.zeros((256, 256), np.uint8)


def run(geometry: Geometry, seed: int, image: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
    moved, target = geometry(image, mask, np.random.default_rng(seed))
    return np.ascontiguousarray(moved), np.ascontiguousarray(target)


def correspondences(geometry: Geometry, seed: int) -> tuple[Points, Points]:
    """Return pairs of source and target coordinates (x, y); rounding leaves half a pixel."""
    moved, _ = run(geometry, seed, atlas(), EMPTY)
    rows, columns = np.nonzero(moved[..., 2] == 255)
    source = moved[rows, columns, :2].astype(np.float64)
    return source, np.stack((columns, rows), axis=1).astype(np.float64)


def fit_affine(source: Points, target: Points) -> tuple[Points, Points, float]:
    """Return the linear part, the image of the centre, and the largest residual in pixels."""
    extended = np.hstack((source, np.ones((len(source), 1))))
    solution, *_ = np.linalg.lstsq(extended, target, rcond=None)
    residual = float(np.abs(extended @ solution - target).max())
    linear: Points = np.asarray(solution[:2].T, np.float64)
    return linear, np.array([127.5, 127.5, 1.0]) @ solution, residual


def test_nothing_is_done_by_default() -> None:
    image, mask = blob()
    moved, target = run(Geometry(), 0, image, mask)
    np.testing.assert_array_equal(moved, image)
    np.testing.assert_array_equal(target, mask)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_flips_are_exact_and_all_four_occur(probability: float) -> None:
    image, mask = blob(60, 80)
    wanted = {
        (image[::y, ::x].tobytes(), mask[::y, ::x].tobytes()) for y in (1, -1) for x in (1, -1)
    }
    geometry = Geometry(flip=0.5, probability=probability)
    made = [run(geometry, seed, image, mask) for seed in range(40)]
    assert {(one.tobytes(), other.tobytes()) for one, other in made} == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_rotation_keeps_lengths_angles_and_the_centre(seed: int) -> None:
    geometry = Geometry(probability=1.0, rotation=30.0)
    linear, centre, residual = fit_affine(*correspondences(geometry, seed))
    np.testing.assert_allclose(linear.T @ linear, np.eye(2), atol=0.005)
    np.testing.assert_allclose(centre, 127.5, atol=0.1)
    assert abs(np.rad2deg(np.arctan2(linear[1, 0], linear[0, 0]))) <= 30.1
    assert residual < 1.5


def test_rotation_reaches_all_directions() -> None:
    geometry = Geometry(probability=1.0, rotation=180.0)
    found = [fit_affine(*correspondences(geometry, seed))[0] for seed in range(24)]
    quadrants = {(bool(linear[0, 0] > 0), bool(linear[1, 0] > 0)) for linear in found}
    assert len(quadrants) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_scale_magnifies_within_its_range(seed: int) -> None:
    geometry = Geometry(probability=1.0, scale_min=0.6, scale_max=0.9)
    linear, _, _ = fit_affine(*correspondences(geometry, seed))
    assert linear[0, 0] + 0.005 >= 0.6
    assert linear[0, 0] - 0.005 <= 0.9
    np.testing.assert_allclose(linear, linear[0, 0] * np.eye(2), atol=0.005)


def test_a_fixed_scale_changes_the_area_by_its_square() -> None:
    image, mask = blob()
    _, target = run(Geometry(probability=1.0, scale_min=0.5, scale_max=0.5), 0, image, mask)
    assert target.sum() == pytest.approx(mask.sum() / 4, rel=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_aspect_keeps_the_area(seed: int) -> None:
    linear, _, _ = fit_affine(*correspondences(Geometry(probability=1.0, aspect=1.5), seed))
    ratio = linear[0, 0] / linear[1, 1]
    assert 1 / 1.51 <= ratio <= 1.51
    assert np.linalg.det(linear) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_shear_moves_rows_sideways(seed: int) -> None:
    linear, _, _ = fit_affine(*correspondences(Geometry(probability=1.0, shear=0.2), seed))
    assert abs(linear[0, 1]) <= 0.205
    np.testing.assert_allclose(linear[:, 0], (1, 0), atol=0.005)
    assert linear[1, 1] == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("seed", SEEDS)
def test_translation_is_a_fraction_of_each_side(seed: int) -> None:
    image, mask = blob(100, 200)
    moved, target = run(Geometry(probability=1.0, translation=0.1), seed, image, mask)
    shift = centroid(target) - centroid(mask)
    assert np.all(np.abs(shift) <= (20.6, 10.6))
    assert target.sum() == pytest.approx(mask.sum(), rel=0.02)
    assert moved.shape == image.shape


@pytest.mark.parametrize("seed", SEEDS)
def test_perspective_is_a_homography_and_no_affine_map(seed: int) -> None:
    source, target = correspondences(Geometry(probability=1.0, perspective=0.3), seed)
    homography, _ = cv2.findHomography(source, target)
    fitted = cv2.perspectiveTransform(source[None], homography)[0]
    misfit = fit_affine(source, target)[2]
    assert np.abs(fitted - target).max() < 2.0
    assert misfit > 2.0


@pytest.mark.parametrize("seed", SEEDS)
def test_elastic_bends_smoothly_and_never_folds(seed: int) -> None:
    source, target = correspondences(Geometry(probability=1.0, elastic=0.012), seed)
    columns = np.full((256, 256, 2), np.nan)
    columns[target[:, 1].astype(int), target[:, 0].astype(int)] = source
    away = np.abs(source - target)
    assert 1.0 < away.max() < 6 * 0.012 * 256
    steps = np.diff(columns[..., 0], axis=1)
    assert np.nanmin(steps) >= 0.0  # columns stay in order


@pytest.mark.parametrize("shape", [(256, 256), (192, 320)])
@pytest.mark.parametrize("seed", SEEDS)
def test_mask_follows_the_image(seed: int, shape: tuple[int, int]) -> None:
    image, mask = blob(*shape)
    moved, target = run(replace(ROBUST.geometry, probability=1.0), seed, image, mask)
    seen = (moved[..., 0] > 172).astype(np.uint8)  # half-way between shape and ground
    near = cv2.dilate(target, np.ones((3, 3))) - cv2.erode(target, np.ones((3, 3)))
    assert target.any()
    assert np.all(near[seen != target] == 1)
    assert (seen != target).sum() <= 0.02 * target.sum()


def test_black_comes_in_beyond_the_edge_and_no_polyp_does() -> None:
    full = np.ones((64, 64), np.uint8)
    image = np.full((64, 64, 3), 200, np.uint8)
    moved, target = run(Geometry(probability=1.0, scale_min=0.5, scale_max=0.5), 0, image, full)
    assert not moved[:14].any()
    assert not target[:14].any()
    assert target.sum() == pytest.approx(32 * 32, rel=0.05)
