"""Admission: how many requests may be in the house, so that each is answered in time."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator

from app.inference.errors import Draining, QueueFull
from app.inference.tally import Tally

RETRY_SECONDS = 2


class Admission:
    """Bounds the requests in the house by Little's law: length = rate x time.

    Args:
        rate: Answers per second that the path can give, above 0.
        floor: The bound is never lower; two batches, so that one waits while one runs.
        deadline: Seconds that a request may take by default; half of it may be spent waiting.
        tally: Where to count.

    Attributes:
        admitted: The requests in the house.
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
        self.closed = False

    @property
    def limit(self) -> int:
        """The most requests that may be in the house now."""
        return max(self._floor(), math.floor(self._deadline / 2 * self._rate()))

    @contextlib.contextmanager
    def slot(self, patience: float) -> Iterator[None]:
        """Hold a place in the house.

        Args:
            patience: Seconds that the caller waits for the answer.

        Raises:
            QueueFull: The house is full, or the expected wait is longer than the patience.
            Draining: The house is closed.
        """
        self._check(patience)
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1
            if not self.admitted:
                self._empty.set()

    async def drain(self, grace: float) -> int:
        """Let nobody in any more, and wait until the house is empty.

        Args:
            grace: Seconds to wait at most.

        Returns:
            The requests that are still in the house.
        """
        self.closed = True
        if self.admitted:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), grace)
        return self.admitted

    def _check(self, patience: float) -> None:
        if self.closed:
            raise Draining("The service is about to stop.", RETRY_SECONDS)
        wait = self.admitted / self._rate()
        if self.admitted >= self.limit:
            self._tally.dropped["rejected"] += 1
            raise QueueFull(f"{self.admitted} requests are in line already.", math.ceil(wait))
        if patience < wait:
            self._tally.dropped["rejected"] += 1
            raise QueueFull(
                f"The wait is {wait:.1f} s, longer than the {patience:.1f} s of the request.",
                math.ceil(wait - patience),
            )
