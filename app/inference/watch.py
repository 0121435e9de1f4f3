"""The engine watch: a run that takes too long is hung, however long it goes on."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from app.inference.errors import EngineLost

MIN_SECONDS = 2.0
P99_FACTOR = 20
# An alarm that rings this late proves nothing: the whole process slept, the engine too.
_LATE_SECONDS = 1.0
_SOON_SECONDS = 0.05  # the system may count no finer

Answer = TypeVar("Answer")


class Share(NamedTuple):
    """What a thread has had of the processor cores in its life.

    Attributes:
        ran: Seconds that it computed.
        waited: Seconds that it waited for a core; a wait is booked at its end.
        wants: Whether it has a core now, or waits for one.
    """

    ran: float
    waited: float
    wants: bool


def share_of(thread: int) -> Share | None:
    """Return what a thread has had (Linux, sched-stats); None where the system does not tell.

    Args:
        thread: Its native id.
    """
    folder = Path("/proc/self/task", str(thread))
    try:
        ran, waited, _ = (folder / "schedstat").read_text().split()
        state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return None
    return Share(int(ran) / 1e9, int(waited) / 1e9, state == "R")


def starved(before: Share | None, now: Share | None, seconds: float) -> float:
    """Return how many of the seconds between two looks at a thread it waited for a core."""
    if before is None or now is None:
        return 0.0
    if now.wants and now.ran == before.ran:
        return seconds
    return min(max(now.waited - before.waited, 0.0), seconds)


class Run:
    """One run, as its thread reports it.

    Attributes:
        started: When the engine began to compute, None before and after.
        thread: The native id of the thread in which it did.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        share_of: Callable[[int], Share | None] = share_of,
    ) -> None:
        self.clock = clock
        self.share_of = share_of
        self.started: float | None = None
        self.thread = 0

    def start(self) -> None:
        """Note that the engine begins to compute."""
        self.thread = threading.get_native_id()
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
    what is done for an image before and after depends on its size. Nor does the time count in which
    the thread of the run gets no core: from half of what is allowed on, this is looked at. Threads
    that help it are not looked at.

    Args:
        future: The outcome of the run; it fails when the run is hung.
        run: What the thread of the run reports.
        allowed: Seconds of computing after which the run is hung.

    Raises:
        EngineLost: The run is hung.
    """
    alarm = _Alarm(future, run, allowed)
    try:
        return await future
    finally:
        alarm.cancel()
        del future, alarm  # a failed future keeps its error, that its frames, and those their names


class _Alarm:
    """Fails the future of a run that is hung.

    To wait with a time limit would take the loop two turns more for each answer.
    """

    def __init__(self, future: asyncio.Future[Answer], run: Run, allowed: float) -> None:
        self._future, self._run, self._allowed = future, run, allowed
        self._awake = 0.0  # since when the process has not slept
        self._began: float | None = None  # what is excused, is so since then
        self._excused = self._looked = 0.0
        self._share: Share | None = None
        self._set(allowed / 2, run.clock())

    def cancel(self) -> None:
        """Never ring; this also breaks the circle of this object and its timer."""
        self._timer.cancel()

    def _set(self, seconds: float, now: float) -> None:
        loop = self._future.get_loop()
        self._timer = loop.call_later(seconds, self._ring, now + seconds)

    def _ring(self, due: float) -> None:
        now = self._run.clock()
        started = self._run.started  # once: its thread goes on
        if now > due + _LATE_SECONDS:
            self._awake = now
        if started is None:
            self._set(self._allowed / 2, now)
            return
        began = max(started, self._awake)
        self._excuse(began, now)
        remaining = began + self._allowed + self._excused - now
        if remaining > _SOON_SECONDS:
            self._set(remaining, now)
        elif not self._future.done():
            cause = f"The engine hung: a run takes longer than {self._allowed:.1f} s."
            self._future.set_exception(EngineLost(cause))

    def _excuse(self, began: float, now: float) -> None:
        share = self._run.share_of(self._run.thread)
        if began == self._began:
            self._excused += starved(self._share, share, now - self._looked)
        else:
            self._began, self._excused = began, 0.0
        self._share, self._looked = share, now
