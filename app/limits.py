"""What a connection may cost and who may pass, beside uvicorn's own configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import uvicorn

from app.api.problems import Problem
from app.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost.

    Attributes:
        header_bytes: Largest request line and headers together; also largest extensions and
            trailers of a chunked body together.
        header_s: Time for the headers, from their first byte.
        body_s: Time for the body; a little more than handlers give, so that they can answer.
        silent_s: Time without a request in progress.
    """

    header_bytes: int
    header_s: float
    body_s: float
    silent_s: float


class Connection(Protocol):
    """What has answers to send."""

    @property
    def unsent(self) -> int:
        """Bytes of answers that wait for the caller to read."""


class Unread:
    """The answers that their callers have not read yet."""

    def __init__(self) -> None:
        self._connections: set[Connection] = set()

    def remember(self, connection: Connection) -> None:
        """Count a connection until its answers are read."""
        self._connections.add(connection)

    def forget(self, connection: Connection) -> None:
        """Count a connection no more."""
        self._connections.discard(connection)

    @property
    def bytes(self) -> int:
        """Bytes of all of them."""
        self._connections = {one for one in self._connections if one.unsent}
        return sum(one.unsent for one in self._connections)


class Config(uvicorn.Config):
    """Uvicorn's configuration with ours beside it.

    Attributes:
        limits: What a connection may cost.
        gate: Says why the request of a scope has to go at once, as `api.gate.Gate.refusal` does;
            None lets everybody pass.
        refusals: Makes the answers that are given in front of the application.
        unread: The answers that are not read yet.
        last_answers: Whether each answer is the last one on its connection: the service is about
            to stop, and callers should find another one before it does.
    """

    limits: Limits
    gate: Callable[[Any], Problem | None] | None = None
    refusals: Refusals
    unread: Unread
    last_answers: bool = False
