"""Answers as they leave the thread that made them: what they say, and where their bytes are."""

import io
import json
import mmap
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from starlette.responses import Response

from app.api.negotiation import Format
from app.api.render import Rle, render_json, render_picture
from app.api.schemas import ModelId
from app.imaging import Field, read_header
from app.inference import Prediction

SIDE = 300
MODEL = ModelId(name="tiny", version="1", sha256="0" * 64)


def predicted(small: NDArray[np.float32]) -> Prediction:
    """Return what a model would say that takes images at their own size."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(noise).save(file, "PNG")
    data = file.getvalue()
    timings = dict.fromkeys(("decode", "queue", "infer"), 1.0)
    return Prediction(read_header(data), data, small, Field(0, 0, SIDE, SIDE), 0.5, 0, timings)


@pytest.fixture
def noise() -> Prediction:
    """An image, and a map, that nothing can compress."""
    return predicted(np.random.default_rng(1).random((SIDE, SIDE), np.float32))


@pytest.fixture
def nothing() -> Prediction:
    """An image without a polyp."""
    return predicted(np.zeros((SIDE, SIDE), np.float32))


def as_json(prediction: Prediction, rle: Rle = "list") -> Response:
    return render_json(prediction, rle, model=MODEL, request_id="1", elapsed_ms=lambda: 1.0)


@pytest.mark.parametrize("chosen", [Format.OVERLAY, Format.PROBABILITY])
def test_a_large_picture_has_pages_of_its_own(noise: Prediction, chosen: Format) -> None:
    body = render_picture(noise, chosen).body
    assert isinstance(body, memoryview)
    assert isinstance(body.obj, mmap.mmap)
    with Pillow.open(io.BytesIO(body)) as picture:
        assert picture.size == (SIDE, SIDE)
        if chosen is Format.PROBABILITY:
            np.testing.assert_allclose(np.asarray(picture), noise.small * 255, atol=0.51)


def test_a_large_document_has_pages_of_its_own(noise: Prediction) -> None:
    body = as_json(noise).body
    assert isinstance(body, memoryview)
    assert isinstance(body.obj, mmap.mmap)
    document = json.loads(bytes(body))
    assert document["area_px"] == np.count_nonzero(noise.small >= 0.5)
    assert sum(document["mask"]["counts"]) == SIDE * SIDE


def test_a_small_answer_stays_as_it_is(nothing: Prediction) -> None:
    for response in (render_picture(nothing, Format.PNG), as_json(nothing)):
        assert isinstance(response.body, bytes)


@pytest.mark.usefixtures("no_collector")
def test_the_pages_go_with_the_answer(noise: Prediction) -> None:
    response = render_picture(noise, Format.OVERLAY)
    assert isinstance(response.body, memoryview)
    pages = weakref.ref(response.body.obj)
    assert pages() is not None
    del response
    assert pages() is None


def test_headers_tell_of_the_mask(noise: Prediction, nothing: Prediction) -> None:
    headers = render_picture(noise, Format.PNG).headers
    assert headers["X-Polyp-Detected"] == "true"
    assert headers["X-Mask-Area"] == str(np.count_nonzero(noise.small >= 0.5))
    assert headers["X-Threshold"] == "0.5"
    headers = render_picture(nothing, Format.PNG).headers
    assert (headers["X-Polyp-Detected"], headers["X-Mask-Area"]) == ("false", "0")
