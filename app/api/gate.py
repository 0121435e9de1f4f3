"""Turns predictions away while the line is full, before anything is spent on them."""

from collections.abc import Iterable

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import as_problems
from app.api.problems import Problem, problem_response
from app.inference import Predictor
from app.telemetry.record import record_of


class Gate:
    """Pure ASGI layer in front of the router.

    What a refusal costs is taken from those who are served, and in an overload most requests are
    refused: routing and FastAPI's dependencies would be half of it. Who passes the gate may still
    be refused by `Predictor.admit`, which knows the caller's patience.

    Args:
        app: The layer below.
        predictor: What answers.
        routes: Those that need room in the line.
    """

    def __init__(self, app: ASGIApp, *, predictor: Predictor, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._predictor = predictor
        self._routes = {
            (method, route.path): route
            for route in routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        answer = self.app
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is not None:
            try:
                with as_problems():
                    self._predictor.refuse_if_full()
            except Problem as problem:
                record = record_of(scope)
                record.code = problem.code()
                scope["route"] = route
                answer = problem_response(problem, record.request_id)
        await answer(scope, receive, send)
