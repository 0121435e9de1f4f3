"""What becomes of one image, step by step."""

import time
import weakref
from typing import Any

import numpy as np
import pytest

from app.imaging import phantom, render_overlay
from app.inference import Bundle, Manifest, Prediction, View
from app.inference.errors import CallerLeft, DeadlineExceeded
from app.inference.picture import Picture
from app.inference.pipeline import look
from app.inference.runner import Inferred


def picture(bundle: Bundle, came: float) -> Picture[Prediction]:
    pixels, mask = phantom(48, 64)
    data = render_overlay(pixels, mask)
    return Picture(data, bundle.manifest, lambda prediction: prediction, 0.5, came=came)


def test_it_is_decoded_once_however_often_it_is_run(tiny: Bundle) -> None:
    one = picture(tiny, time.perf_counter())
    pixels = one.prepare()
    assert pixels.shape == (64, 64, 3)
    assert pixels.dtype == np.uint8
    assert one.prepare() is pixels


def test_times_add_up(tiny: Bundle) -> None:
    one = picture(tiny, time.perf_counter() - 10)
    one.prepare()
    timings = one.finish(Inferred(np.zeros((64, 64), np.float32), 3.0)).timings_ms
    assert timings["infer"] == 3000
    waited = timings["decode"] + timings["queue"] + timings["infer"]
    assert 10_000 <= waited < 11_000
    assert timings["queue"] == pytest.approx(7000 - timings["decode"], rel=0.1)


def test_the_pixels_stay_with_the_thread_that_had_them(tiny: Bundle) -> None:
    """They would be in the way of the next image's, for as long as this one's caller waits."""
    pixels, mask = phantom(48, 64)
    kept: list[weakref.ref[Any]] = []

    def render(prediction: Prediction) -> bytes:
        kept.extend(map(weakref.ref, (prediction, prediction.small, prediction.segmentation.mask)))
        return b"an answer"

    one = Picture(render_overlay(pixels, mask), tiny.manifest, render, 0.5)
    kept.append(weakref.ref(one.prepare()))
    finished = one.finish(Inferred(np.zeros((64, 64), np.float32), 0.0))
    assert finished.result == b"an answer"
    assert (finished.header.height, finished.header.width) == (48, 64)
    assert [ref() for ref in kept] == [None] * 4


def test_who_leaves_during_the_decoding_is_not_run(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = picture(tiny, 0.0)

    def leave_and_look(data: bytes, manifest: Manifest, *, max_pixels: int | None) -> View:
        one.left = True
        return look(data, manifest, max_pixels=max_pixels)

    monkeypatch.setattr("app.inference.picture.look", leave_and_look)
    with pytest.raises(CallerLeft):
        one.prepare()


@pytest.mark.parametrize("prepared", [False, True])
def test_nothing_is_begun_after_its_deadline_but_what_has_run_is_finished(
    tiny: Bundle, prepared: bool
) -> None:
    one = picture(tiny, 0.0)
    if prepared:
        one.prepare()
    one.until = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        one.prepare()
    if prepared:
        one.finish(Inferred(np.zeros((64, 64), np.float32), 0.0))


@pytest.mark.parametrize("prepared", [False, True])
def test_nothing_is_begun_for_who_has_left(tiny: Bundle, prepared: bool) -> None:
    one = picture(tiny, 0.0)
    if prepared:
        one.prepare()
    one.left = True
    with pytest.raises(CallerLeft):
        one.finish(Inferred(np.zeros((64, 64), np.float32), 0.0)) if prepared else one.prepare()
