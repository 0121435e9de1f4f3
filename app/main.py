"""Puts the application together: settings, lifespan, layers, routers; nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.api import docs, health, metrics, model, predict
from app.api.body import BodyMemory
from app.api.context import Context
from app.api.documentation import EXPOSED, openapi
from app.api.errors import answer_http
from app.api.gate import Gate, GateLayer
from app.api.identity import identity_headers
from app.api.problems import Catch, Problem, answer_problem
from app.api.security import HEADERS
from app.inference import Predictor, choose_engine, load_bundle
from app.inference.bundle import CARD
from app.settings import Settings, read_settings
from app.telemetry.metrics import Metrics
from app.telemetry.middleware import Telemetry, log_request

if TYPE_CHECKING:
    app: FastAPI

# FastAPI's own would give queries and the messages of errors to whatever an environment variable
# names; and to ask whether there is something costs as much as a layer of ours, for each request.
_NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


def create_app(settings: Settings | None = None, predictor: Predictor | None = None) -> FastAPI:
    """Make the application.

    Loading of the model begins with the lifespan and goes on in the background; until it is done
    `/health` says `starting`.

    Args:
        settings: The settings; read from the environment if not given.
        predictor: What answers; made as the settings say if not given.

    Raises:
        SettingsError: A setting is wrong.
        BundleError: The bundle is not there, or damaged.
        SelectionError: The engine or the device that is asked for cannot be had.
    """
    settings = settings or read_settings()
    predictor = predictor or create_predictor(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        predictor.start()
        yield
        await predictor.close()

    app = FastAPI(
        title="polypseg",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # `docs` serves it
        redirect_slashes=False,  # the address would be made of the caller's `Host`
        telemetry=_NO_TELEMETRY,
        exception_handlers={
            Problem: answer_problem,
            HTTPException: answer_http,
        },
    )
    context = app.state.context = Context(
        settings,
        settings.keys,
        predictor,
        Gate(predictor, predict.router.routes),
        BodyMemory(settings.max_bodies_bytes, predictor.tally),
        Metrics(predictor),
        predictor.bundle.read(CARD) if CARD in predictor.bundle.manifest.files else None,
    )
    for router in (predict.router, health.router, model.router, metrics.router, docs.router):
        app.include_router(router)
    # The last one added is the outermost.
    app.add_middleware(GateLayer, gate=context.gate)
    app.add_middleware(Catch)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "X-Request-Id", "X-Request-Timeout-Ms"),
            expose_headers=EXPOSED,
        )
    app.add_middleware(
        Telemetry,
        headers=identity_headers(predictor.bundle),
        defaults=HEADERS,
        observers=(log_request, context.metrics.observe),
    )
    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


def create_predictor(settings: Settings) -> Predictor:
    """Verify the bundle and choose the engine; loads nothing yet.

    Raises:
        BundleError: The bundle is not there, or damaged.
        SelectionError: The engine or the device that is asked for cannot be had.
    """
    bundle = load_bundle(settings.model, settings.model_version)
    return Predictor(
        bundle,
        choose_engine(bundle, settings.engine, settings.device),
        max_batch=settings.max_batch,
        deadline=settings.deadline_ms / 1000,
        max_pixels=settings.max_pixels,
    )


def __getattr__(name: str) -> FastAPI:
    # `uvicorn app.main:app` finds an application, yet importing this module reads no settings.
    if name == "app":
        return create_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
