"""Turns predictions away while the line is full, before anything is spent on them."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import as_problem
from app.api.problems import Problem, problem_response
from app.api.routing import DirectRoute
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
        self._targets = {(method.encode(), path.encode()): path for method, path in self._routes}

    def route(self, scope: Any) -> DirectRoute | None:
        """Return the route of a request that needs room in the line."""
        return self._routes.get((scope.get("method", ""), scope.get("path", "")))

    def needed(self, method: bytes, target: bytes) -> str | None:
        """Return the path of the route of a request that needs room in the line.

        Args:
            method: Of the request.
            target: As it stands in the request line. One that is written in another way than ours,
                with an authority or escapes, is not looked through; `GateLayer` sees its path.
        """
        return self._targets.get((method, target.partition(b"?")[0]))

    def refusal(self) -> Problem | None:
        """Return why a request that needs room has to go; None lets it pass."""
        full = self._predictor.fullness()
        return None if full is None else as_problem(full)


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
        scope["route"] = route
        problem = self._gate.refusal()
        if problem is None:
            await route(scope, receive, send)
            return
        record = record_of(scope)
        record.code = problem.code()
        await problem_response(problem, record.request_id)(scope, receive, send)
