"""What Prometheus scrapes."""

from starlette.responses import Response

from app.api.context import ContextDep
from app.api.documentation import text_answers
from app.api.routing import Router
from app.telemetry.metrics import CONTENT_TYPE

router = Router(tags=["metrics"])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses=text_answers("text/plain"),
)
async def metrics(context: ContextDep) -> Response:
    """Return the metrics of this process in Prometheus' text format."""
    return Response(context.metrics.render(), media_type=CONTENT_TYPE)
