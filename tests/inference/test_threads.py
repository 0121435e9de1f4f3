"""Calls in threads that may be abandoned."""

import asyncio
import os
import subprocess
import sys
import threading
from functools import partial

import pytest

from app.inference import threads as threads_module
from app.inference.threads import Threads
from tests.waiting import until


async def test_result_and_error_come_back() -> None:
    threads = Threads(1, "test")
    assert await threads.submit(lambda: threading.current_thread().name) == "test-0"
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.submit(lambda: int("none"))
    threads.close()


async def test_calls_run_at_the_same_time_and_in_order() -> None:
    threads = Threads(2, "test")
    meeting = threading.Barrier(2)
    await asyncio.gather(*(threads.submit(meeting.wait) for _ in range(4)))
    seen: list[int] = []
    single = Threads(1, "single")
    await asyncio.gather(*(single.submit(partial(seen.append, n)) for n in range(5)))
    assert seen == [0, 1, 2, 3, 4]
    threads.close()
    single.close()


async def test_first_call_waits_for_the_first_thread_if_it_starts_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = threading.Event()

    def start_late() -> None:
        if threading.current_thread().name == "late-0":
            started.wait()

    monkeypatch.setattr(threads_module, "_give_way", start_late)
    threads = Threads(2, "late")
    first, second = (threads.submit(lambda: threading.current_thread().name) for _ in range(2))
    assert await second == "late-1"
    assert not first.done()
    started.set()
    assert await first == "late-0"
    threads.close()


async def test_what_waits_is_run_after_close() -> None:
    threads = Threads(1, "test")
    begun, finish = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        finish.wait()

    threads.submit(hold)
    await asyncio.to_thread(begun.wait)
    last = threads.submit(lambda: "last")
    threads.close()
    with pytest.raises(RuntimeError, match="closed"):
        threads.submit(lambda: "too late")
    finish.set()
    assert await last == "last"


async def test_cancelled_call_is_never_made_and_a_begun_one_is_forgotten() -> None:
    threads = Threads(1, "test")
    begun, finish, called = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        finish.wait()

    first, second = threads.submit(hold), threads.submit(called.set)
    await asyncio.to_thread(begun.wait)
    second.cancel()
    first.cancel()
    finish.set()
    assert await threads.submit(lambda: "alive") == "alive"
    assert not called.is_set()
    threads.close()


async def test_threads_end_after_close() -> None:
    threads = Threads(2, "ending")
    names = {"ending-0", "ending-1"}
    assert names <= {thread.name for thread in threading.enumerate()}
    workers = [thread for thread in threading.enumerate() if thread.name in names]
    threads.close()
    for worker in workers:
        await asyncio.to_thread(worker.join)


def test_result_for_a_loop_that_is_gone_is_dropped() -> None:
    finish = threading.Event()
    loop = asyncio.new_event_loop()

    async def submit() -> Threads:
        threads = Threads(1, "orphan")
        threads.submit(finish.wait)
        return threads

    threads = loop.run_until_complete(submit())
    worker = next(thread for thread in threading.enumerate() if thread.name == "orphan-0")
    loop.close()
    finish.set()
    threads.close()
    worker.join()


def test_thread_that_hangs_does_not_keep_the_process_alive() -> None:
    code = """
import asyncio, threading
from app.inference.threads import Threads
from tests.waiting import until
async def main():
    begun = threading.Event()
    Threads(1, "hung").submit(lambda: begun.set() or threading.Event().wait())
    await asyncio.to_thread(begun.wait)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
async def test_threads_give_way_to_the_event_loop() -> None:
    threads = Threads(1, "test")
    niceness = await threads.submit(lambda: os.getpriority(os.PRIO_PROCESS, 0))
    threads.close()
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness > ours or ours == 19


@pytest.mark.skipif(sys.platform != "linux", reason="threads cannot be kept on a core here")
async def test_threads_stay_on_their_cores() -> None:
    ours = sorted(os.sched_getaffinity(0))
    threads = Threads(len(ours) + 1, "test", ours)
    all_at_once = threading.Barrier(len(ours) + 1)

    def where() -> tuple[int, ...]:
        all_at_once.wait()
        return tuple(os.sched_getaffinity(0))

    found = await asyncio.gather(*(threads.submit(where) for _ in range(len(ours) + 1)))
    threads.close()
    assert sorted(found) == sorted((core,) for core in [*ours, ours[0]])
    assert sorted(os.sched_getaffinity(0)) == ours


async def test_the_first_idle_thread_gets_the_next_call() -> None:
    threads = Threads(3, "test")
    all_at_once = threading.Barrier(3)

    def name() -> str:
        return threading.current_thread().name

    for _ in range(3):
        await asyncio.gather(*(threads.submit(all_at_once.wait) for _ in range(3)))
        await until(lambda: len(threads._idle) == 3)
        assert await threads.submit(name) == "test-0"
    threads.close()


async def test_a_core_that_is_gone_does_no_harm() -> None:
    threads = Threads(1, "test", [100_000])
    assert await threads.submit(lambda: "fine") == "fine"
    threads.close()
