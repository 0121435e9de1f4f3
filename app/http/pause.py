"""A pause of the event loop in an overload, so that callers are attended to several at a time."""

import asyncio
import time
from collections.abc import Callable


class Pause:
    """Lets the event loop rest for a moment once it has turned somebody away.

    Whenever the loop wakes up it takes a core from a thread that computes, finds its own code gone
    from the core's caches, and leaves them without the thread's. In an overload it would do so for
    each step of each connection. So it goes on while callers come, and then rests, once; meanwhile
    the threads have the cores and the interpreter's lock, and the next callers gather.

    Args:
        seconds: How long everybody waits, `/health/live` as well, for which 10 ms are promised.
        sleep: What blocks the thread of the loop.
    """

    def __init__(self, seconds: float = 0.004, sleep: Callable[[float], None] = time.sleep) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._came = self._seen = 0
        self._is_due = False

    def notice(self) -> None:
        """Note that something has come from a caller."""
        self._came += 1

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Rest as soon as a turn of the loop brings nothing from any caller."""
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._came != self._seen:
            self._seen = self._came
            loop.call_soon(self._turn, loop)
        else:
            self._is_due = False
            self._sleep(self._seconds)
