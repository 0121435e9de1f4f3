"""What to do when told to stop: the first signal asks, the second one insists."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Handles SIGTERM and SIGINT from the moment it is made.

    Until somebody listens nothing can have been accepted, so that the first signal ends the
    process, with exit code 0. After that it calls the listener. The second signal ends the process
    at once, with the code that a shell gives for it, 128 + its number.
    """

    def __init__(self) -> None:
        self._listener: Callable[[], None] | None = None
        self._asked = False
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the main thread between two instructions, at the first signal."""
        self._listener = listener

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        if self._listener is None:
            raise SystemExit(0)
        self._listener()
