"""One image through the model, against Pillow and the tiny model's formula."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from app.imaging import ImageError, TooManyPixels, phantom
from app.inference import Bundle, load_bundle, predict_image, select_engine
from tests.bundles import tiny_probability, write_tiny_bundle


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_image_of_the_models_size_gets_the_models_answer(root: Path) -> None:
    write_tiny_bundle(root, height=48, width=80)
    bundle = load_bundle(root)
    engine, _ = select_engine(bundle, device="cpu", threads=1)
    pixels, _ = phantom(48, 80)
    image, probability = predict_image(engine, bundle.manifest, png(pixels))
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_allclose(probability, tiny_probability(pixels), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (121, 77), (64, 300), (300, 64)])
def test_answer_has_the_size_of_the_image(tiny: Bundle, height: int, width: int) -> None:
    engine, _ = select_engine(tiny, device="cpu", threads=1)
    pixels = np.full((height, width, 3), (200, 60, 60), np.uint8)
    image, probability = predict_image(engine, tiny.manifest, png(pixels))
    assert image.pixels.shape == (height, width, 3)
    assert probability.shape == (height, width)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability, tiny_probability(pixels), atol=1e-5)


def test_what_is_on_the_left_stays_on_the_left(tiny: Bundle) -> None:
    engine, _ = select_engine(tiny, device="cpu", threads=1)
    pixels = np.full((100, 200, 3), 90, np.uint8)
    pixels[:, :60] = (220, 20, 20)
    _, probability = predict_image(engine, tiny.manifest, png(pixels))
    np.testing.assert_array_equal(probability[:, :55] >= 0.5, True)
    np.testing.assert_array_equal(probability[:, 65:] >= 0.5, False)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (88, 72)])
def test_the_border_of_a_frame_makes_no_difference(root: Path, height: int, width: int) -> None:
    write_tiny_bundle(root, cropped=True)
    bundle = load_bundle(root)
    engine, _ = select_engine(bundle, device="cpu", threads=1)
    inner, _ = phantom(height, width)
    inner[[0, -1]] = inner[:, [0, -1]] = 60  # whatever the phantom has there: lit
    pixels = np.zeros((height + 29, width + 54, 3), np.uint8)
    pixels[8:-21, 32:-22] = inner  # where a field may begin and end
    _, alone = predict_image(engine, bundle.manifest, png(inner))
    image, probability = predict_image(engine, bundle.manifest, png(pixels))
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(probability[8:-21, 32:-22], alone)
    assert probability.shape == pixels.shape[:2]
    assert probability.sum() == pytest.approx(alone.sum())
    whole = bundle.manifest.model_copy(update={"cropped": False})
    _, uncropped = predict_image(engine, whole, png(pixels))
    assert np.abs(uncropped - probability).max() > 0.1


def test_image_that_is_refused(tiny: Bundle) -> None:
    engine, _ = select_engine(tiny, device="cpu", threads=1)
    with pytest.raises(ImageError):
        predict_image(engine, tiny.manifest, b"no image")
    with pytest.raises(TooManyPixels):
        predict_image(engine, tiny.manifest, png(np.zeros((9, 9, 3), np.uint8)), max_pixels=80)
