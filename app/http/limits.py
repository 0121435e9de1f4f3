"""What a connection may cost and who may pass, beside uvicorn's own configuration."""

from dataclasses import dataclass
from typing import Protocol

import uvicorn

from app.api.problems import Problem
from app.http.faults import raising_faults
from app.http.pause import Pause
from app.http.refusals import Refusals


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


class Gate(Protocol):
    """Knows who has to go at once."""

    def needed(self, method: bytes, target: bytes) -> str | None:
        """Return the path of the route of a request that needs room; None if it needs none."""

    def refusal(self) -> Problem | None:
        """Return why a request that needs room has to go; None lets it pass."""


class Config(uvicorn.Config):
    """Uvicorn's configuration with ours beside it.

    Attributes:
        limits: What a connection may cost.
        gate: Who has to go before anything is spent on the request; None lets everybody pass.
        refusals: Makes the answers that are given in front of the application.
        pause: Follows refusals of the gate.
        unread: The answers that are not read yet.
        last_answers: Whether each answer is the last one on its connection: the service is about
            to stop, and callers should find another one before it does.
    """

    limits: Limits
    gate: Gate | None = None
    refusals: Refusals
    pause: Pause
    unread: Unread
    last_answers: bool = False

    def load(self) -> None:
        """Load the application, as one that is told of faults of its bodies."""
        super().load()
        self.loaded_app = raising_faults(self.loaded_app)
