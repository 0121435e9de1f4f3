"""The header `Date`, made when an answer needs it: a clock would wake an idle service."""

import time
from collections.abc import Callable
from email.utils import formatdate

from uvicorn.server import ServerState


class DatedState(ServerState):
    """Uvicorn's state of a server, whose default headers are the date, at most a second old.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = -1
        self._dated: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of every answer (RFC 9110, 6.6.1)."""
        now = int(self._clock())
        if now != self._second:
            self._second = now
            self._dated = [(b"date", formatdate(now, usegmt=True).encode())]
        return self._dated

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        """Leave uvicorn's beginning with none alone."""
