"""Which model is served: its manifest and its card."""

from fastapi import Depends
from starlette.responses import Response

from app.api.context import ContextDep, authorize
from app.api.documentation import json_answers, text_answers
from app.api.problems import NotFound, Unauthorized
from app.api.routing import Router
from app.api.schemas import ModelReport

router = Router(prefix="/model", tags=["model"], dependencies=[Depends(authorize)])


@router.get("", operation_id="model", responses=json_answers(ModelReport, Unauthorized))
async def model(context: ContextDep) -> Response:
    """Return the manifest: input size, threshold, training run, metrics, hashes of all files."""
    report = ModelReport(**dict(context.bundle.manifest), sha256=context.bundle.sha256)
    return Response(report.model_dump_json(), media_type="application/json")


@router.get(
    "/card",
    operation_id="model_card",
    response_class=Response,
    responses=text_answers("text/markdown", Unauthorized, NotFound),
)
async def model_card(context: ContextDep) -> Response:
    """Return the model card, in Markdown: what the model is for, and where it fails."""
    if context.card is None:
        raise NotFound("The bundle holds no model card.")
    return Response(context.card, media_type="text/markdown")
