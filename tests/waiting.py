"""Waits for what no event tells, and never for a fixed time."""

import asyncio
import time
from collections.abc import Callable

_PATIENCE = 60.0
_PAUSE = 0.005


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until a condition holds.

    Raises:
        TimeoutError: It does not, for much longer than it should take.
    """
    async with asyncio.timeout(_PATIENCE):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_PAUSE)


def wait_until(condition: Callable[[], object]) -> None:
    """Block until a condition holds.

    Raises:
        TimeoutError: It does not, for much longer than it should take.
    """
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(_PAUSE)
