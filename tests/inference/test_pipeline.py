"""One image through the model, against Pillow and the tiny model's formula."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.imaging import Field, Image, ImageError, TooManyPixels, decode, phantom, resize
from app.inference import Bundle, load_bundle, predict_image, select_engine
from app.inference.engine import EngineError
from app.inference.pipeline import look
from tests.bundles import tiny_probability, write_tiny_bundle
from tests.inference.fakes import RedEngine


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def bordered(height: int, width: int, part: float) -> np.ndarray:
    """A black frame with a phantom in its middle, which takes a part of either side."""
    inner, _ = phantom(int(height * part), int(width * part))
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    pixels[top : top + inner.shape[0], left : left + inner.shape[1]] = np.maximum(inner, 40)
    return pixels


@pytest.mark.parametrize(
    ("part", "shrinks"),
    [(1.0, [4]), (0.8, [4]), (0.5, [4, 2]), (0.3, [4, 1])],
    ids=["no border", "a border", "a wide border", "a very wide border"],
)
def test_a_large_jpeg_is_decoded_no_finer_than_the_model_sees(
    root: Path, monkeypatch: pytest.MonkeyPatch, part: float, shrinks: list[int]
) -> None:
    write_tiny_bundle(root, cropped=True)  # 64x64
    manifest = load_bundle(root).manifest
    data = jpeg(bordered(288, 352, part))
    decoded = []

    def note(data: bytes, **options: Any) -> Image:
        decoded.append(decode(data, **options))
        return decoded[-1]

    monkeypatch.setattr("app.inference.pipeline.decode", note)
    view = look(data, manifest)
    assert [image.shrink for image in decoded] == shrinks
    whole = decode(data).pixels
    assert (view.header.height, view.header.width) == whole.shape[:2]
    expected = resize(view.field.crop(whole), 64, 64)
    # Blocks of a JPEG that are decoded at a part of their size are averages, but for rounding.
    assert np.abs(view.pixels.astype(int) - expected).mean() < 2.5
    np.testing.assert_allclose(
        [view.field.height, view.field.width], [288 * part, 352 * part], atol=16
    )


def test_image_of_the_models_size_gets_the_models_answer(root: Path) -> None:
    write_tiny_bundle(root, height=48, width=80)
    bundle = load_bundle(root)
    engine, _ = select_engine(bundle, device="cpu", threads=1)
    pixels, _ = phantom(48, 80)
    view, probability = predict_image(engine, bundle.manifest, png(pixels))
    np.testing.assert_array_equal(view.pixels, pixels)
    np.testing.assert_allclose(probability, tiny_probability(pixels), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (121, 77), (64, 300), (300, 64)])
def test_answer_has_the_size_of_the_image(tiny: Bundle, height: int, width: int) -> None:
    engine, _ = select_engine(tiny, device="cpu", threads=1)
    pixels = np.full((height, width, 3), (200, 60, 60), np.uint8)
    view, probability = predict_image(engine, tiny.manifest, png(pixels))
    assert (view.header.height, view.header.width) == (height, width)
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
    view, probability = predict_image(engine, bundle.manifest, png(pixels))
    assert view.field == Field(8, 32, height, width)
    np.testing.assert_array_equal(probability[8:-21, 32:-22], alone)
    assert probability.shape == pixels.shape[:2]
    assert probability.sum() == pytest.approx(alone.sum())
    whole = bundle.manifest.model_copy(update={"cropped": False})
    _, uncropped = predict_image(engine, whole, png(pixels))
    assert np.abs(uncropped - probability).max() > 0.1


def test_what_is_no_probability_is_an_error(tiny: Bundle) -> None:
    class Unwell(RedEngine):
        def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
            return np.nan * super().infer(images, alone=alone)

    with pytest.raises(EngineError):
        predict_image(Unwell(), tiny.manifest, png(np.zeros((8, 8, 3), np.uint8)))


def test_image_that_is_refused(tiny: Bundle) -> None:
    engine, _ = select_engine(tiny, device="cpu", threads=1)
    with pytest.raises(ImageError):
        predict_image(engine, tiny.manifest, b"no image")
    with pytest.raises(TooManyPixels):
        predict_image(engine, tiny.manifest, png(np.zeros((9, 9, 3), np.uint8)), max_pixels=80)
