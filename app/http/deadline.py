"""A point in time that something has to happen before."""

import asyncio
from collections.abc import Callable
from typing import Final

# The clock of the loop has milliseconds.
_TICK_S: Final = 0.001


class Deadline:
    """Calls when its time is up; it is moved far more often than that.

    A request goes through four phases in a moment: one timer, which may ring too early, does for
    them and for the requests that follow.

    Args:
        loop: What the timer is set in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._rings = 0.0
        self._then: Callable[[], None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether something was set, and not lifted since."""
        return self._then is not None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` in that many seconds, and nothing that was to be called before."""
        self._due, self._then = self._loop.time() + seconds, then
        if self._timer is None or self._due < self._rings:
            self._set_timer()

    def lift(self) -> None:
        """Call nothing; the timer stays for the next one."""
        self._then = None

    def stop(self) -> None:
        """Call nothing any more, and let go of who was to be called."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._then = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._then is None:
            return
        if self._loop.time() < self._due - _TICK_S:
            self._set_timer()
        else:
            self._then()
