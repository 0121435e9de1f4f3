"""Routes as HTTP wants them, where FastAPI stops short."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.problems import Problem, answer_problem

_Step = Callable[[Request], Awaitable[Any]]


class Router(APIRouter):
    """A router that answers HEAD wherever it answers GET (RFC 9110, 9.3.2)."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route, and one for HEAD beside GET; the server leaves the body out."""
        super().add_api_route(path, endpoint, **options)
        if options["methods"] == ["GET"]:
            head = options | {"methods": ["HEAD"], "include_in_schema": False}
            super().add_api_route(path, endpoint, **head)


class DirectRoute(APIRoute):
    """A route that calls its handler with the request, and sends the response that it returns.

    The handler, and each dependency, is a coroutine function of the request alone. What FastAPI
    does for others on the way, from the router to the reading of parameters, is a third of an
    application's time for a prediction; `GateLayer` goes past it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, in the router's place."""
        request = Request(scope, receive, send)
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = await answer_problem(request, problem)
        await response(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request that comes through the router all the same."""
        return self._respond

    async def _respond(self, request: Request) -> Response:
        for one in self.dependencies:
            await cast(_Step, one.dependency)(request)
        return cast(Response, await self.endpoint(request))
