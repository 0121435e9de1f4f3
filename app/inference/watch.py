"""The engine watch: a run that takes too long is hung, however long it goes on."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from app.inference.errors import EngineLost

MIN_SECONDS = 2.0
P99_FACTOR = 20
# An alarm that rings this late proves nothing: the whole process slept, the engine too.
_LATE_SECONDS = 1.0

Answer = TypeVar("Answer")


class Run:
    """One run, as its thread reports it.

    Attributes:
        started: When the engine began to compute, None before and after.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started: float | None = None

    def start(self) -> None:
        """Note that the engine begins to compute."""
        self.started = self.clock()

    def stop(self) -> None:
        """Note that the engine has answered."""
        self.started = None


def allowed_seconds(warm_p99: float) -> float:
    """Return the time after which a run is hung, given the p99 of its bucket when warm."""
    return max(MIN_SECONDS, P99_FACTOR * warm_p99)


async def watch(future: asyncio.Future[Answer], run: Run, allowed: float) -> Answer:
    """Wait for a run, but not for ever.

    Only the time in the engine counts: a batch that was prepared ahead may wait for its turn, and
    what is done for an image before and after depends on its size.

    Args:
        future: The outcome of the run.
        run: What the thread of the run reports.
        allowed: Seconds of computing after which the run is hung.

    Raises:
        EngineLost: The run is hung.
    """
    remaining = allowed
    while True:
        armed = run.clock()
        await asyncio.wait((future,), timeout=remaining)
        if future.done():
            return future.result()
        now = run.clock()
        started = run.started  # once: its thread goes on
        if started is None or now - armed > remaining + _LATE_SECONDS:
            remaining = allowed
        elif (remaining := started + allowed - now) <= 0:
            raise EngineLost(f"The engine hung: a run takes longer than {allowed:.1f} s.")
