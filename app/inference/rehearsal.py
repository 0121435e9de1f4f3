"""A picture that nobody took, taken all the way, so that the first request finds a warm path."""

from functools import cache
from typing import Final

from app.imaging import phantom_jpeg, render_png
from app.inference.bundle import Manifest
from app.inference.picture import Picture
from app.inference.prediction import Prediction

_HEIGHT: Final = 576
_WIDTH: Final = 720


def rehearsal(manifest: Manifest) -> Picture[bytes]:
    """Return a drawn video frame, as a JPEG, that is to be answered with the PNG of its mask."""
    return Picture(_frame(), manifest, _render, manifest.threshold)


@cache
def _frame() -> bytes:
    return phantom_jpeg(_HEIGHT, _WIDTH)


def _render(prediction: Prediction) -> bytes:
    return render_png(prediction.segmentation.mask)
