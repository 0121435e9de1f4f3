"""Whether a run that is alone gets the other cores to help: while it is shorter for it."""

import math
import time
from collections.abc import Callable
from typing import Final

# A helped run is late if it takes so many times as long as one without help: a single run may be
# long for other reasons. Where help was useless from the beginning, it has to prove itself.
_LATE: Final = 1.5
_NO_BETTER: Final = 1.1
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 32.0


class Help:
    """Withholds help for a while after a run that took longer for it, or if it never paid.

    A run that is divided waits after each of its hundred operations for the slowest core. While
    other processes compute there, each of these waits may last until they have had their turn, and
    a run of 6 ms takes some hundred. Without help it waits for one core alone, which is far less
    where one is free for part of the time. So the next ones do without, for a second, and for twice
    as long each time that another try is late.

    Args:
        helped: Seconds of a lone run with all cores.
        unhelped: Seconds of one with one core; infinite helps always.
        clock: What time is measured with, in seconds.
    """

    def __init__(
        self, helped: float, unhelped: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._pause = _FIRST_PAUSE
        self._until = -math.inf
        self._late = _NO_BETTER * unhelped
        if helped <= self._late:
            self._late = _LATE * unhelped
        else:
            self.note(helped)

    def pays(self) -> bool:
        """Say whether a run that is alone is to be helped now."""
        return self._clock() >= self._until

    def note(self, seconds: float) -> None:
        """Take note of how long a helped run took."""
        if seconds <= self._late:
            self._pause = _FIRST_PAUSE
        else:
            self._until = self._clock() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
