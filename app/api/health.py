"""Is the process alive, is the service ready, and what is it doing?"""

from starlette.responses import Response

from app.api.context import Context, ContextDep
from app.api.documentation import json_answers
from app.api.identity import model_id
from app.api.routing import Router
from app.api.schemas import Alive, HealthReport, Queue

router = Router(prefix="/health", tags=["health"])

_ALIVE = Alive().model_dump_json()


@router.get("/live", operation_id="health_live", responses=json_answers(Alive))
async def live() -> Response:
    """Answer, which is all that a liveness probe wants to know."""
    return Response(_ALIVE, media_type="application/json")


@router.get(
    "/ready", operation_id="health_ready", responses=json_answers(HealthReport, also=(503,))
)
async def ready(context: ContextDep) -> Response:
    """Say whether new requests ought to be sent here.

    200 only when the model is loaded, every batch size is warm and the last run went well. An idle
    service proves it with a probe of its own.
    """
    return _report(context)


@router.get("", operation_id="health", responses=json_answers(HealthReport, also=(503,)))
async def health(context: ContextDep) -> Response:
    """Give the same verdict as `/health/ready`, for people."""
    return _report(context)


def _report(context: Context) -> Response:
    health = context.predictor.health
    report = HealthReport(
        state=health.state.value,
        reason=health.reason,
        engine=health.engine,
        device=health.device,
        model=model_id(context.bundle),
        queue=Queue(depth=health.queue_depth, limit=health.queue_limit),
        batch_limit=health.batch_limit,
        slots=health.slots,
        threads=health.threads,
    )
    return Response(
        report.model_dump_json(), 200 if health.ready else 503, media_type="application/json"
    )
