"""Turns what was found in an image into the answer that was asked for.

These functions compute for milliseconds; they belong into the predictor's threads.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from app.api.negotiation import Format
from app.api.schemas import (
    CompressedMask,
    Finding,
    Mask,
    ModelId,
    Prediction,
    RegionDocument,
    SourceImage,
    Timing,
)
from app.imaging import (
    Header,
    Segmentation,
    compress_rle,
    encode_rle,
    render_overlay,
    render_png,
    render_probability,
)
from app.inference import prediction as inferred
from app.memory import apart

Rle = Literal["list", "compressed"]

_DIGITS = 6


def render_picture(prediction: inferred.Prediction, chosen: Format) -> Response:
    """Return the answer with the PNG that was asked for; its headers tell of the mask.

    Args:
        prediction: What the model says.
        chosen: Any format but JSON.
    """
    found = prediction.segmentation
    headers = {
        "X-Polyp-Detected": str(found.area_px > 0).lower(),
        "X-Mask-Area": str(found.area_px),
        "X-Threshold": _decimal(found.threshold),
    }
    if chosen is Format.OVERLAY:
        png = render_overlay(prediction.image.pixels, found.mask)
    elif chosen is Format.PROBABILITY:
        png = render_probability(prediction.probability)
    else:
        png = render_png(found.mask)
    return Response(apart(png), headers=headers, media_type=chosen.media_type)


def render_json(
    prediction: inferred.Prediction,
    rle: Rle,
    *,
    model: ModelId,
    request_id: str,
    elapsed_ms: Callable[[], float],
) -> Response:
    """Return the JSON answer.

    Args:
        prediction: What the model says.
        rle: Encoding of the mask.
        model: What the answer says about the model.
        request_id: Id of the request.
        elapsed_ms: Milliseconds since the request came.
    """
    began = perf_counter()
    found = finding(prediction.segmentation, prediction.header, rle, model=model)
    timings = prediction.timings_ms | {"encode": (perf_counter() - began) * 1000}
    document = Prediction(
        **dict(found),
        request_id=request_id,
        timing_ms=timing(timings | {"total": elapsed_ms()}),
    )
    data = document.model_dump_json().encode()
    return Response(apart(data), media_type=Format.JSON.media_type)


def encode_mask(mask: NDArray[np.uint8], rle: Rle) -> Mask | CompressedMask:
    """Return a mask as it stands in JSON."""
    height, width = mask.shape
    counts = encode_rle(mask)
    if rle == "compressed":
        return CompressedMask(size=(height, width), counts=compress_rle(counts))
    return Mask(size=(height, width), counts=counts)


def finding(
    segmentation: Segmentation, header: Header, rle: Rle = "list", *, model: ModelId
) -> Finding:
    """Return what was found as a document.

    Args:
        segmentation: What was found.
        header: Header of the source image.
        rle: Encoding of the mask.
        model: What found it.
    """
    return Finding(
        polyp_detected=segmentation.area_px > 0,
        score=round(segmentation.score, _DIGITS),
        threshold=segmentation.threshold,
        image=SourceImage(
            width=header.width, height=header.height, exif_orientation=header.orientation
        ),
        mask=encode_mask(segmentation.mask, rle),
        area_px=segmentation.area_px,
        area_fraction=round(segmentation.area_px / (header.width * header.height), _DIGITS),
        regions=[
            RegionDocument(
                bbox=region.bbox, area_px=region.area_px, score=round(region.score, _DIGITS)
            )
            for region in segmentation.regions
        ],
        model=model,
    )


def timing(timings_ms: Mapping[str, float]) -> Timing:
    """Return the times by stage as a document.

    Args:
        timings_ms: Milliseconds of `decode`, `queue`, `infer`, `encode` and `total`.
    """
    return Timing.model_validate({stage: round(ms, 2) for stage, ms in timings_ms.items()})


@lru_cache(maxsize=64)
def _decimal(threshold: float) -> str:
    return np.format_float_positional(threshold, trim="0")
