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

import pytest

from app.inference.errors import EngineLost
from app.inference.threads import stay_on
from app.inference.watch import Run, allowed_seconds, held_up, watch
from tests.inference.clock import run, settle


def never_held_up(_: int) -> float:
    return 0.0


def started(held_up: Callable[[int], float] = never_held_up) -> Run:
    state = Run(asyncio.get_running_loop().time, held_up)
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
        state = Run(loop.time, never_held_up)
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
        assert await watch(future, Run(loop.time, never_held_up), 2.0) == "fine"
        return loop.time()

    assert run(main()) == pytest.approx(100)


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_left_for_the_garbage_collector() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        state = Run(loop.time, never_held_up)
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

        state = Run(clock, never_held_up)
        state.start()
        future: asyncio.Future[str] = loop.create_future()
        loop.call_later(1.0, sleep)
        with pytest.raises(EngineLost):
            await watch(future, state, 2.0)
        return loop.time()

    assert run(main()) == pytest.approx(3.0)


def test_time_in_which_other_processes_have_all_cores_does_not_count() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def held_up(thread: int) -> float:
            """Nine tenths of the time, for ten seconds; the first one is before anybody looks."""
            assert thread == threading.get_native_id()
            return 100 + 0.9 * min(loop.time() - began, 10.0)

        with pytest.raises(EngineLost):
            await watch(loop.create_future(), started(held_up), 2.0)
        return loop.time() - began

    # In ten seconds it has computed for 1.0 before the first look and 0.9 after it.
    assert run(main()) == pytest.approx(10.1, abs=0.02)


def test_next_run_of_a_batch_is_excused_for_nothing_that_was_before_it() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        state = started(lambda _: min(loop.time(), 1.9))
        loop.call_later(1.95, state.start)
        with pytest.raises(EngineLost):
            await watch(loop.create_future(), state, 2.0)
        return loop.time()

    assert run(main()) == pytest.approx(3.95, abs=0.02)


def test_thread_that_shares_its_core_is_held_up() -> None:
    found: list[float] = []

    def compute() -> None:
        core = min(os.sched_getaffinity(0))
        stay_on([core])
        thread = threading.get_native_id()
        spin = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"
        with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as other:
            assert other.stdout
            other.stdout.readline()
            before = held_up(thread)
            until = time.monotonic() + 20
            while (waited := held_up(thread) - before) < 0.05 and time.monotonic() < until:
                pass
            other.kill()
        found.append(waited)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert found[0] >= 0.05


def test_thread_that_is_gone_was_not_held_up() -> None:
    assert held_up(2**31 - 1) == 0.0
