"""A deadline that is moved far more often than it comes, in virtual time."""

import asyncio
import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from app.http.deadline import Deadline
from tests.inference.clock import run

# Tenths of a second between moves, and half of one more until the deadline: no two fall together.
waits = st.integers(0, 50).map(lambda tenths: tenths / 10)
spans = st.integers(0, 50).map(lambda tenths: tenths / 10 + 0.05)
moves = st.lists(st.tuples(waits, st.none() | spans), min_size=1, max_size=8)
"""Seconds until a move, and the seconds that it gives; None lifts the deadline."""


@given(moves)
def test_it_calls_when_the_last_move_says(moves: list[tuple[float, float | None]]) -> None:
    expected, now = [], 0.0
    for number, (wait, seconds) in enumerate(moves):
        now += wait
        until_next = moves[number + 1][0] if number + 1 < len(moves) else float("inf")
        if seconds is not None and seconds < until_next:
            expected.append((number, now + seconds))

    async def play() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        called: list[tuple[int, float]] = []
        deadline = Deadline(loop)

        def call(number: int) -> None:
            deadline.lift()
            called.append((number, loop.time()))

        for number, (wait, seconds) in enumerate(moves):
            await asyncio.sleep(wait)
            if seconds is None:
                deadline.lift()
            else:
                deadline.set(seconds, lambda number=number: call(number))  # type: ignore[misc]
            assert deadline.is_set == (seconds is not None)
        await asyncio.sleep(10)
        return called

    called = run(play())
    assert [number for number, _ in called] == [number for number, _ in expected]
    for (_, at), (_, due) in zip(called, expected, strict=True):
        assert abs(at - due) <= 0.001


def test_many_moves_take_one_timer() -> None:
    async def play() -> int:
        loop = asyncio.get_running_loop()
        deadline = Deadline(loop)
        for _ in range(1000):
            deadline.set(5, lambda: None)
            await asyncio.sleep(0)
        return len(loop._scheduled)  # type: ignore[attr-defined]

    assert run(play()) == 1


def test_a_stopped_one_calls_nobody_and_keeps_nobody() -> None:
    class Caller:
        def call(self) -> None:
            raise AssertionError("The deadline was stopped.")

    async def play() -> None:
        loop = asyncio.get_running_loop()
        deadline = Deadline(loop)
        caller = Caller()
        deadline.set(1, caller.call)
        kept = weakref.ref(caller)
        deadline.stop()
        assert not deadline.is_set
        assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
        del caller
        assert kept() is None
        await asyncio.sleep(2)

    gc.disable()
    try:
        run(play())
    finally:
        gc.enable()
