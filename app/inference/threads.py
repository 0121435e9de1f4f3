"""Threads that can be abandoned: a call that never returns must not keep the process alive."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_Job = tuple[asyncio.Future[Any], Callable[[], Any]]


class Threads:
    """Daemon threads that run blocking calls for an event loop, first come first served.

    `ThreadPoolExecutor` does not do: the interpreter joins its threads on exit, hung ones as well.

    Args:
        count: Number of threads.
        name: Name of the threads, for whoever looks at the process.
    """

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, function: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run `function` in the next free thread.

        Returns:
            A future of the running loop. Cancelling it before the call has begun prevents the call.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._jobs.put((future, function))
        return future

    def close(self) -> None:
        """Let each thread end after the call it is in. Does not wait."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            _call(*job)
            del job  # an idle thread must not keep the last batch alive


def _call(future: asyncio.Future[Result], function: Callable[[], Result]) -> None:
    if future.cancelled():
        return
    try:
        result = function()
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it
        _post(future, future.set_exception, error)
    else:
        _post(future, future.set_result, result)


def _post(future: asyncio.Future[Result], settle: Callable[[Any], None], value: Any) -> None:
    def deliver() -> None:
        if not future.done():
            settle(value)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        future.get_loop().call_soon_threadsafe(deliver)
