"""`POST /predict` and its siblings: an image goes in, a mask comes out."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.body import read_framing, read_image
from app.api.context import Context, authorize, context_of
from app.api.disconnect import CancelOnDisconnect
from app.api.documentation import (
    PREDICT_PROBLEMS,
    REQUEST_BODY,
    json_answers,
    picture_answers,
    problem_answers,
)
from app.api.errors import as_problems
from app.api.identity import model_id
from app.api.negotiation import Format, negotiate
from app.api.parameters import (
    JsonParameters,
    NegotiatedParameters,
    Parameters,
    describe_parameters,
    read_parameters,
)
from app.api.problems import InvalidParameter, NotAcceptable
from app.api.render import Rle, render_json, render_picture
from app.api.routing import DirectRoute
from app.api.schemas import Prediction
from app.inference import prediction as inferred
from app.telemetry.record import Record, record_of

router = APIRouter(
    prefix="/predict",
    tags=["predict"],
    dependencies=[Depends(authorize)],
    default_response_class=Response,
    route_class=DirectRoute,
)


@router.post(
    "",
    operation_id="predict",
    responses={
        200: {**picture_answers()[200], **json_answers(Prediction)[200]},
        **problem_answers(*PREDICT_PROBLEMS, NotAcceptable),
    },
    openapi_extra=REQUEST_BODY | describe_parameters(NegotiatedParameters),
)
async def predict(request: Request) -> Response:
    """Mark polyps in an image; the answer is what `format` names, else what `Accept` asks for.

    `png` is the mask, one channel, 0 or 255; `overlay` the image with the contour of the mask;
    `probability` the probability map, 0 to 255. All of them have the size of the image.
    """
    query = read_parameters(request, NegotiatedParameters)
    # Several lines of a header are one list (RFC 9110, 5.3).
    accepted = ", ".join(request.headers.getlist("accept"))
    chosen = query.format or negotiate(accepted)
    if chosen is not Format.JSON and "rle" in query.model_fields_set:
        raise InvalidParameter("Parameter 'rle' is only for JSON, which '?format=json' asks for.")
    response = await _answer(request, chosen, query, query.rle)
    response.headers["Vary"] = "Accept"
    return response


@router.post(
    "/png",
    operation_id="predict_png",
    responses=picture_answers(*PREDICT_PROBLEMS),
    openapi_extra=REQUEST_BODY | describe_parameters(Parameters),
)
async def predict_png(request: Request) -> Response:
    """Mark polyps; answer with the mask as a PNG of one channel, 0 or 255."""
    return await _answer(request, Format.PNG, read_parameters(request, Parameters))


@router.post(
    "/json",
    operation_id="predict_json",
    responses=json_answers(Prediction, *PREDICT_PROBLEMS),
    openapi_extra=REQUEST_BODY | describe_parameters(JsonParameters),
)
async def predict_json(request: Request) -> Response:
    """Mark polyps; answer with the mask as COCO run lengths, and its regions, in JSON."""
    query = read_parameters(request, JsonParameters)
    return await _answer(request, Format.JSON, query, query.rle)


@router.post(
    "/overlay",
    operation_id="predict_overlay",
    responses=picture_answers(*PREDICT_PROBLEMS),
    openapi_extra=REQUEST_BODY | describe_parameters(Parameters),
)
async def predict_overlay(request: Request) -> Response:
    """Mark polyps; answer with the image and the contour of the mask, as a PNG."""
    return await _answer(request, Format.OVERLAY, read_parameters(request, Parameters))


@router.post(
    "/probability",
    operation_id="predict_probability",
    responses=picture_answers(*PREDICT_PROBLEMS),
    openapi_extra=REQUEST_BODY | describe_parameters(Parameters),
)
async def predict_probability(request: Request) -> Response:
    """Mark polyps; answer with the probability map as a PNG of one channel, 255 for 1."""
    return await _answer(request, Format.PROBABILITY, read_parameters(request, Parameters))


async def _answer(
    request: Request, chosen: Format, parameters: Parameters, rle: Rle = "list"
) -> Response:
    """Take a request through admission, body, model and renderer."""
    record = record_of(request)
    record.format = chosen
    context = context_of(request)
    settings, predictor = context.settings, context.predictor
    patience_ms = parameters.patience_ms or settings.deadline_ms
    patience_s = min(patience_ms, settings.max_deadline_ms) / 1000
    framing = read_framing(request, max_bytes=settings.max_body_bytes)
    with as_problems(), context.bodies.share() as share:
        async with predictor.admit(patience_s) as slot:
            data = await read_image(
                request,
                framing,
                share,
                max_bytes=settings.max_body_bytes,
                timeout_s=settings.body_timeout_s,
                patience_s=patience_s,
            )
            record.bytes_in = len(data)
            slot.line_up()
            async with CancelOnDisconnect(request.receive):
                answered = await predictor.predict(
                    data,
                    _renderer(context, record, chosen, rle),
                    threshold=parameters.threshold,
                    deadline=slot.deadline,
                )
    record.width, record.height = answered.header.width, answered.header.height
    record.timings_ms = answered.timings_ms
    return answered.result


def _renderer(
    context: Context, record: Record, chosen: Format, rle: Rle
) -> Callable[[inferred.Prediction], Response]:
    if chosen is not Format.JSON:
        return partial(render_picture, chosen=chosen)
    return partial(
        render_json,
        rle=rle,
        model=model_id(context.bundle),
        request_id=record.request_id,
        elapsed_ms=record.elapsed_ms,
    )
