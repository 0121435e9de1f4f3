"""Turns predictions away while the line is full, before anything is spent on them."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import as_problems
from app.api.problems import Problem, problem_response
from app.api.routing import DirectRoute
from app.frames import forget_frames
from app.inference import Predictor
from app.telemetry.record import record_of


class Gate:
    """Knows who needs room in the line, and whether there is any.

    What a refusal costs is taken from those who are served, and in an overload most requests are
    refused: routing and FastAPI's dependencies would be half of it. Who passes the gate may still
    be refused by `Predictor.admit`, which knows the caller's patience.

    Args:
        predictor: What answers.
        routes: Those that need room in the line.
    """

    def __init__(self, predictor: Predictor, routes: Iterable[BaseRoute]) -> None:
        self._predictor = predictor
        self._routes = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute)
            for method in route.methods or ()
        }

    def route(self, scope: Any) -> DirectRoute | None:
        """Return the route of a request that needs room in the line."""
        return self._routes.get((scope.get("method", ""), scope.get("path", "")))

    def refusal(self, scope: Any) -> Problem | None:
        """Return why a request has to go, and name its route in its scope; None lets it pass."""
        route = self.route(scope)
        if route is None:
            return None
        try:
            with as_problems():
                self._predictor.refuse_if_full()
        except Problem as problem:
            scope["route"] = route
            forget_frames(problem)  # that of the caller has the problem itself
            return problem
        return None


class GateLayer:
    """Pure ASGI layer in front of the router, for those whose answers the layers above complete.

    Who needs room in the line and passes is led to his handler, which has a route of its own.

    Args:
        app: The layer below.
        gate: Who may pass.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self.app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        route = self._gate.route(scope)
        if route is None:
            await self.app(scope, receive, send)
            return
        problem = self._gate.refusal(scope)
        if problem is None:
            scope["route"] = route
            await route(scope, receive, send)
            return
        record = record_of(scope)
        record.code = problem.code()
        await problem_response(problem, record.request_id)(scope, receive, send)
