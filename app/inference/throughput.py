"""Throughput: how many requests a second the whole path can answer, as seen of late."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.imaging import ImageError

# Seconds of busy time, and of other time, after which a figure has lost most of its weight.
_BUSY_MEMORY = 10.0
_IDLE_MEMORY = 60.0
# The weight of the seed, so that the first answers of a busy time do not shake the estimate.
_SEED_SECONDS = 0.5
_FRESH_SECONDS = 0.01


class Throughput:
    """A moving estimate of the answers per second that the path from body to answer can give.

    Only time with enough work in the house counts: while it is half empty, the rate of answers
    says how many ask, not how many could be served. In other time the estimate drifts back to the
    seed, or else one bad spell could close the house for good.

    Args:
        seed: What was measured at start-up; it keeps a small weight for ever.
        saturation: How many requests must be at work for the path to be busy.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        seed: Callable[[], float],
        saturation: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seed = seed
        self._saturation = saturation
        self._clock = clock
        self._noted = self._ended = clock()
        self._at_work = 0
        self._answers = self._seconds = 0.0

    @property
    def rate(self) -> float:
        """Answers per second, as of a few milliseconds ago: a full line asks for each refusal."""
        if self._clock() > self._noted + _FRESH_SECONDS:
            self._note()
        return (self._answers + _SEED_SECONDS * self._seed()) / (self._seconds + _SEED_SECONDS)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Mark the time in which a request is worked on.

        It is answered when the block ends without an exception. What is no image is refused, often
        within a moment: it counts as what would have been answered meanwhile, one at most, so that
        such requests neither raise the estimate nor lower it.
        """
        self._note()
        self._at_work += 1
        try:
            yield
        except ImageError:
            self._end(min(1.0, (self._clock() - self._ended) * self.rate))
            raise
        except BaseException:
            self._end(0.0)
            raise
        else:
            self._end(1.0)

    def _end(self, answers: float) -> None:
        self._note()
        if self._busy:
            self._answers += answers
        self._ended = self._noted
        self._at_work -= 1

    @property
    def _busy(self) -> bool:
        return self._at_work >= self._saturation()

    def _note(self) -> None:
        """Account for the time since the last note, in which nobody came or went."""
        now, busy = self._clock(), self._busy
        decay = math.exp((self._noted - now) / (_BUSY_MEMORY if busy else _IDLE_MEMORY))
        self._answers *= decay
        self._seconds *= decay
        if busy:
            self._seconds += _BUSY_MEMORY * (1.0 - decay)
        self._noted = now
