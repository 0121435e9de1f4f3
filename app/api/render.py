"""Turns what was found in an image into the bytes of the answer that was asked for.

These functions compute for milliseconds; they belong into the predictor's threads.
"""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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

Rle = Literal["list", "compressed"]

_DIGITS = 6


def render_picture(prediction: inferred.Prediction, chosen: Format) -> bytes:
    """Return the PNG that was asked for.

    Args:
        prediction: What the model says; its segmentation is made here in any case, since the
            headers of the answer tell of it.
        chosen: Any format but JSON.
    """
    mask = prediction.segmentation.mask
    if chosen is Format.OVERLAY:
        return render_overlay(prediction.image.pixels, mask)
    if chosen is Format.PROBABILITY:
        return render_probability(prediction.probability)
    return render_png(mask)


def render_json(
    prediction: inferred.Prediction,
    rle: Rle,
    *,
    model: ModelId,
    request_id: str,
    elapsed_ms: Callable[[], float],
) -> bytes:
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
    return document.model_dump_json().encode()


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
