"""Admission: how many requests may be in line, so that each is answered in time."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator

from app.inference.errors import Draining, QueueFull
from app.inference.tally import Tally

RETRY_SECONDS = 2
# The share of the time that a request may take in which it may wait.
_WAITING = 0.5


class Admission:
    """Bounds the requests in line by Little's law: length = rate x time.

    Args:
        rate: Answers per second that the path can give, above 0.
        floor: The bound is never lower; two batches, so that one waits while one runs.
        deadline: Seconds that a request may take by default; half of it may be spent waiting.
        tally: Where to count.

    Attributes:
        admitted: The requests in line, or being answered.
        present: Those in the house: also the ones that wait for their bodies to arrive.
        closed: Whether nobody is let in any more.
    """

    def __init__(
        self,
        rate: Callable[[], float],
        floor: Callable[[], int],
        deadline: float,
        tally: Tally,
    ) -> None:
        self._rate = rate
        self._floor = floor
        self._deadline = deadline
        self._tally = tally
        self._empty = asyncio.Event()
        self.admitted = 0
        self.present = 0
        self.closed = False

    @property
    def limit(self) -> int:
        """The most requests that may be in line now."""
        return self._limit(self._rate())

    @contextlib.contextmanager
    def enter(self, patience: float) -> Iterator["Place"]:
        """Come into the house, if there is room in the line now.

        Args:
            patience: Seconds that the caller waits for the answer.

        Raises:
            QueueFull: The line is full, or the expected wait is longer than the patience.
            Draining: The house is closed.
        """
        if self.closed:
            raise Draining("The service is about to stop.", RETRY_SECONDS)
        self.check(patience)
        self.present += 1
        place = Place(self)
        try:
            yield place
        finally:
            self.present -= 1
            self.admitted -= place.in_line
            if not self.present:
                self._empty.set()

    async def drain(self, grace: float) -> int:
        """Let nobody in any more, and wait until the house is empty.

        Args:
            grace: Seconds to wait at most.

        Returns:
            The requests that are still in line.
        """
        self.closed = True
        if self.present:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace)
        return self.admitted

    def refusal(self, patience: float) -> QueueFull | None:
        """Count and return why who comes now has to go; None if there is room.

        The line is full, or too long for the patience. Nothing is raised: in an overload this
        answers most requests, and an exception on its way costs several times as much.
        """
        if not self.admitted:
            return None
        rate = self._rate()
        wait = self.admitted / rate
        if self.admitted >= self._limit(rate):
            self._tally.dropped["rejected"] += 1
            return QueueFull(f"{self.admitted} requests are in line already.", math.ceil(wait))
        # An estimate: whoever was let in to wait until the last moment would often come too late,
        # and what was done for them would be lost to the others.
        if patience * _WAITING < wait:
            self._tally.dropped["rejected"] += 1
            return QueueFull(
                f"The wait is {wait:.1f} s, too long for the {patience:.1f} s of the request.",
                math.ceil(wait - patience * _WAITING),
            )
        return None

    def check(self, patience: float) -> None:
        """Count and raise `QueueFull` if the line is full, or too long for the patience."""
        full = self.refusal(patience)
        try:
            if full is not None:
                raise full
        finally:
            del full  # it keeps this frame

    def _limit(self, rate: float) -> int:
        return max(self._floor(), math.floor(self._deadline * _WAITING * rate))


class Place:
    """A place in the house, at first outside the line: callers who send nothing hold up nobody.

    Attributes:
        in_line: Whether it counts against the limit.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.in_line = False

    def line_up(self, patience: float) -> None:
        """Join the line, since there is something to do.

        Args:
            patience: Seconds that the caller still waits for the answer.

        Raises:
            QueueFull: The line has become full, or too long for the patience.
        """
        self._admission.check(patience)
        self.in_line = True
        self._admission.admitted += 1
