"""When a run is hung, in virtual time."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from app.inference.errors import EngineLost
from app.inference.threads import stay_on
from app.inference.watch import Run, Share, allowed_seconds, share_of, starved, watch
from tests.inference.clock import run, settle


def untold(_: int) -> None:
    """The system tells nothing of threads."""


def started(share_of: Callable[[int], Share | None] = untold) -> Run:
    state = Run(asyncio.get_running_loop().time, share_of)
    state.start()
    return state


@pytest.mark.parametrize(("p99", "allowed"), [(0.014, 2.0), (0.1, 2.0), (0.2, 4.0)])
def test_allowed_time(p99: float, allowed: float) -> None:
    assert allowed_seconds(p99) == pytest.approx(allowed)


def test_run_that_ends_in_time_is_answered() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        loop.call_later(1.9, future.set_result, "fine")
        assert await watch(future, started(), 2.0) == "fine"
        return loop.time()

    assert run(main()) == pytest.approx(1.9)


def test_error_of_the_run_is_raised() -> None:
    async def main() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_exception(KeyError("x"))
        with pytest.raises(KeyError):
            await watch(future, started(), 2.0)

    run(main())


def test_run_that_takes_longer_is_hung_at_once() -> None:
    async def main() -> float:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with pytest.raises(EngineLost, match=r"takes longer than 2\.0 s"):
            await watch(future, started(), 2.0)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(2.0)


def test_time_before_the_start_does_not_count() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        state = Run(loop.time, untold)
        loop.call_later(1.5, state.start)
        with pytest.raises(EngineLost):
            await watch(future, state, 2.0)
        return loop.time()

    assert run(main()) == pytest.approx(3.5)


def test_run_that_never_starts_is_waited_for() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        loop.call_later(100, future.set_result, "fine")
        assert await watch(future, Run(loop.time, untold), 2.0) == "fine"
        return loop.time()

    assert run(main()) == pytest.approx(100)


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_left_for_the_garbage_collector() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        state = Run(loop.time, untold)
        gone = weakref.ref(state)
        loop.call_later(5.0, future.set_result, "fine")  # the alarm rings twice before
        await watch(future, state, 2.0)
        del state
        assert gone() is None

    run(main())


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_left_of_a_run_that_hung() -> None:
    async def main() -> None:
        state = started()
        gone = weakref.ref(state)
        with contextlib.suppress(EngineLost):
            await watch(asyncio.get_running_loop().create_future(), state, 2.0)
        del state
        await settle()  # the loop lets go of the call that got us here
        assert gone() is None

    run(main())


def test_late_alarm_after_the_process_slept_proves_nothing() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        slept = 0.0

        def clock() -> float:
            return loop.time() + slept

        def sleep() -> None:
            nonlocal slept
            slept += 60  # the machine was suspended

        state = Run(clock, untold)
        state.start()
        future: asyncio.Future[str] = loop.create_future()
        loop.call_later(0.5, sleep)
        with pytest.raises(EngineLost):
            await watch(future, state, 2.0)
        return loop.time()

    assert run(main()) == pytest.approx(3.0)


def hung_after(share_of: Callable[[float], Share | None]) -> float:
    """Return when a run is hung that never ends; `share_of` takes the time."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def look(thread: int) -> Share | None:
            assert thread == threading.get_native_id()
            return share_of(loop.time() - began)

        with pytest.raises(EngineLost):
            await watch(loop.create_future(), started(look), 2.0)
        return loop.time() - began

    return run(main())


def test_time_in_which_its_thread_gets_no_core_does_not_count() -> None:
    def share_of(now: float) -> Share:
        """Nine tenths of ten seconds go to others."""
        waited = 0.9 * min(now, 10.0)
        return Share(7.0 + now - waited, 100.0 + waited, wants=True)

    # In ten seconds it has computed for 1.0 before the first look and 0.9 after it.
    assert hung_after(share_of) == pytest.approx(10.1, abs=0.02)


def test_wait_without_an_end_is_told_by_a_thread_that_wants_a_core_and_does_not_run() -> None:
    def share_of(now: float) -> Share:
        """No core for six seconds, which is booked then; then it sleeps, for ever."""
        return Share(7.0, 100.0 + 6.0 * (now >= 6.0), wants=now < 6.0)

    assert hung_after(share_of) == pytest.approx(7.0)  # the first second is before anybody looks


def test_run_that_sleeps_is_not_excused() -> None:
    assert hung_after(lambda _: Share(7.0, 100.0, wants=False)) == pytest.approx(2.0)


def test_run_that_computes_is_not_excused() -> None:
    assert hung_after(lambda now: Share(now, 100.0, wants=True)) == pytest.approx(2.0)


@pytest.mark.parametrize("untold", [lambda now: now < 1.5, lambda now: now > 1.5])
def test_look_that_fails_excuses_nothing(untold: Callable[[float], bool]) -> None:
    def share_of(now: float) -> Share | None:
        return None if untold(now) else Share(now, 7200.0, wants=True)

    assert hung_after(share_of) == pytest.approx(2.0)


def test_no_more_is_excused_than_the_time_between_two_looks() -> None:
    before, late = Share(1.0, 10.0, wants=False), Share(2.0, 90.0, wants=False)
    assert starved(before, late, 1.0) == 1.0
    assert starved(late, before, 1.0) == 0.0


def test_next_run_of_a_batch_is_excused_for_nothing_that_was_before_it() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        state = started(lambda _: Share(loop.time(), min(loop.time(), 1.9), wants=True))
        loop.call_later(1.95, state.start)
        with pytest.raises(EngineLost):
            await watch(loop.create_future(), state, 2.0)
        return loop.time()

    assert run(main()) == pytest.approx(3.95, abs=0.02)


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the system does not tell of its scheduling"
)
def test_thread_that_shares_its_core_waits_for_it() -> None:
    found: list[float] = []

    def compute() -> None:
        core = min(os.sched_getaffinity(0))
        stay_on([core])
        thread = threading.get_native_id()
        spin = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"
        with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout
                other.stdout.readline()
                before, until = share_of(thread), time.monotonic() + 20
                while time.monotonic() < until and sum(found) < 0.05:
                    now = share_of(thread)
                    assert before
                    assert now
                    found[:] = [now.waited - before.waited]
            finally:
                other.kill()

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert 0.05 <= found[0] < 20.0  # of a core that two shared


def test_nothing_is_told_of_a_thread_that_is_gone() -> None:
    assert share_of(2**31 - 1) is None
