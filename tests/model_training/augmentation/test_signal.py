"""Noise has the deviation it is given, JPEG is as Pillow's, fields are shifted lines."""

import io

import numpy as np
import pytest
from PIL import Image

from model_training.augmentation import Signal
from tests.model_training.augmentation.drawn import atlas, blob, centroid, detail, flat

SEEDS = range(12)


def test_nothing_is_done_by_default() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Signal().degrade(atlas(), rng), atlas())
    np.testing.assert_array_equal(Signal().compress(atlas(), rng), atlas())


@pytest.mark.parametrize("shape", [(128, 128), (75, 101)])
@pytest.mark.parametrize("seed", SEEDS)
def test_noise_has_its_deviation_and_no_bias(seed: int, shape: tuple[int, int]) -> None:
    signal = Signal(noise=1.0, noise_deviation=12.0)
    made = signal.degrade(flat(128, *shape), np.random.default_rng(seed)).astype(float)
    assert made.mean() == pytest.approx(128, abs=1.0)
    assert 0.18 * 12 <= made.std() <= 1.05 * 12


def test_noise_is_fine_or_coarse_and_coloured_or_grey() -> None:
    signal = Signal(noise=1.0, noise_deviation=12.0)
    kinds = set()
    for seed in range(30):
        made = signal.degrade(flat(128), np.random.default_rng(seed)).astype(int)
        coarse = bool(np.array_equal(made[::2], made[1::2]))
        grey = bool(np.ptp(made, axis=2).max() == 0)
        kinds.add((coarse, grey))
    assert len(kinds) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_resampling_takes_detail_and_moves_nothing(seed: int) -> None:
    image, _ = blob()
    made = Signal(resample=1.0, resample_min=0.35).degrade(image, np.random.default_rng(seed))
    assert made.shape == image.shape
    assert detail(made) < detail(image)
    np.testing.assert_allclose(centroid(made[..., 0]), centroid(image[..., 0]), atol=0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_interlacing_shifts_odd_lines_against_even_ones(seed: int) -> None:
    image = atlas()
    made = Signal(interlace=1.0, interlace_shift=0.02).degrade(image, np.random.default_rng(seed))
    # The red of column 100 is the column that it came from.
    even, odd = {int(x) for x in made[::2, 100, 0]}, {int(x) for x in made[1::2, 100, 0]}
    assert len(even) == len(odd) == 1
    apart = even.pop() - 100, odd.pop() - 100
    assert 1 <= abs(apart[0] - apart[1]) <= 5
    assert abs(sum(apart)) <= 1  # on average nothing moves against the mask
    np.testing.assert_array_equal(made[..., 1], image[..., 1])


@pytest.mark.parametrize("seed", SEEDS)
def test_sharpening_adds_detail_and_leaves_flat_alone(seed: int) -> None:
    signal = Signal(sharpen=1.0, sharpen_amount=1.2)
    image, _ = blob()
    soft = np.asarray(np.clip(image, 90, 200), np.uint8)
    assert detail(signal.degrade(soft, np.random.default_rng(seed))) > detail(soft)
    np.testing.assert_array_equal(signal.degrade(flat(80), np.random.default_rng(seed)), flat(80))


def test_jpeg_is_what_pillow_makes_of_it() -> None:
    image, _ = blob(120, 152)
    image = np.asarray(image - np.array([0, 50, 70]), np.uint8)
    signal = Signal(jpeg=1.0, jpeg_quality_min=40, jpeg_quality_max=40)
    made = signal.compress(image, np.random.default_rng(0))
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=40, subsampling="4:2:0")
    wanted = np.asarray(Image.open(stream))
    assert np.any(made != image)
    assert np.abs(made.astype(int) - wanted).mean() < 0.5


def test_jpeg_quality_varies() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 1), np.uint8).repeat(3, axis=2)
    signal = Signal(jpeg=1.0, jpeg_quality_min=25, jpeg_quality_max=90)
    errors = [
        np.abs(signal.compress(image, np.random.default_rng(seed)).astype(int) - image).mean()
        for seed in SEEDS
    ]
    assert max(errors) > 1.3 * min(errors)
