"""Threads that can be abandoned: a call that never returns must not keep the process alive."""

import asyncio
import contextlib
import heapq
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Final, TypeVar

_NICENESS: Final = 10

Result = TypeVar("Result")
_Job = tuple[asyncio.Future[Any], Callable[[], Any]]


class Threads:
    """Daemon threads that run blocking calls for an event loop, first come first served.

    `ThreadPoolExecutor` does not do: the interpreter joins its threads on exit, hung ones as well.
    Each thread waits for work of its own, and the first that is idle gets the next call: of several
    that wait on one queue, each call wakes another one in vain. All are idle from the beginning, so
    that the first call goes to the first thread, whether the system has started it yet or not.

    Args:
        count: Number of threads.
        name: Name of the threads, for whoever looks at the process.
        cores: Where each thread stays, in turns; none lets the system move them about.
    """

    def __init__(self, count: int, name: str, cores: Sequence[int] = ()) -> None:
        self._lock = threading.Lock()  # over the three below
        self._idle: list[tuple[int, SimpleQueue[_Job | None]]] = []  # a heap
        self._waiting: deque[_Job] = deque()
        self._closed = False
        for number in range(count):
            place = [cores[number % len(cores)]] if cores else []
            mine: SimpleQueue[_Job | None] = SimpleQueue()
            heapq.heappush(self._idle, (number, mine))
            threading.Thread(
                target=self._work, args=(number, mine, place), name=f"{name}-{number}", daemon=True
            ).start()

    def submit(self, function: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run `function` in the next free thread.

        Returns:
            A future of the running loop. Cancelling it before the call has begun prevents the call.

        Raises:
            RuntimeError: The threads were closed: nobody would ever make the call.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._closed:
                raise RuntimeError("The threads are closed.")
            if self._idle:
                heapq.heappop(self._idle)[1].put((future, function))
            else:
                self._waiting.append((future, function))
        return future

    def close(self) -> None:
        """Let each thread end once nothing waits. Does not wait for that."""
        with self._lock:
            self._closed = True
            for _, queue in self._idle:
                queue.put(None)
            self._idle.clear()

    def _work(self, number: int, mine: SimpleQueue[_Job | None], place: Sequence[int]) -> None:
        _give_way()
        stay_on(place)
        job = mine.get()
        while job:
            _call(*job)
            del job  # an idle thread must not keep the last batch alive
            job = self._next(number, mine) or mine.get()

    def _next(self, number: int, mine: SimpleQueue[_Job | None]) -> _Job | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                mine.put(None)
            else:
                heapq.heappush(self._idle, (number, mine))
            return None


def _give_way() -> None:
    """Have the event loop run first when there are fewer cores than threads with work.

    It runs for a moment, for everybody; without this, `/health` waits for its turn behind images.
    """
    if sys.platform == "linux":  # the only system where threads have priorities of their own
        with contextlib.suppress(OSError):
            ours = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, ours + _NICENESS))


def stay_on(cores: Sequence[int]) -> None:
    """Keep the calling thread, and those that it starts, on some cores; on none means anywhere.

    A thread that has waited for the interpreter's lock is woken by who lets go of it, and often on
    the same core, where the other goes on: for a while two share one core and leave another idle.
    """
    if cores:
        with contextlib.suppress(OSError):  # taken from the process meanwhile
            os.sched_setaffinity(0, cores)


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
