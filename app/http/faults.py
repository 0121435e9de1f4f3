"""Faults of a body on their way from the connection, which sees them, to whoever reads the body."""

from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import Problem

_KEY: Final = "fault of the body"


def note_fault(scope: Any, problem: Problem) -> None:
    """Have a problem raised where the application waits for more of the body of a request."""
    scope["state"][_KEY] = problem


def raising_faults(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that `receive` raises what `note_fault` was told."""

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_or_raise() -> Message:
            message = await receive()
            if (fault := scope["state"].get(_KEY)) is not None:
                raise fault
            return message

        await app(scope, receive_or_raise, send)

    return raising
