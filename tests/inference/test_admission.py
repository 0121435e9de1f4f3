"""Who is let in, and what the others are told."""

import asyncio
import math
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from app.inference.admission import Admission
from app.inference.errors import Draining, QueueFull
from app.inference.tally import Tally
from app.inference.throughput import Throughput
from tests.inference.clock import run, settle


def make(rate: float = 10.0, floor: int = 2, deadline: float = 10.0) -> tuple[Admission, Tally]:
    tally = Tally()
    return Admission(lambda: rate, lambda: floor, deadline, tally), tally


@contextmanager
def line(admission: Admission, patience: float) -> Iterator[None]:
    """Hold a place in line."""
    with admission.enter(patience) as place:
        place.line_up(patience)
        yield


@pytest.mark.parametrize(
    ("rate", "floor", "deadline", "limit"),
    [(10, 2, 10, 50), (10, 2, 4, 20), (0.1, 2, 10, 2), (0.1, 128, 10, 128), (0.59, 2, 10, 2)],
)
def test_limit_is_rate_times_half_the_deadline(
    rate: float, floor: int, deadline: float, limit: int
) -> None:
    admission, _ = make(rate, floor, deadline)
    assert admission.limit == limit


def test_rate_of_an_empty_line_is_not_asked_for() -> None:
    def rate() -> float:
        raise AssertionError

    admission = Admission(rate, lambda: 2, 10.0, Tally())
    assert admission.refusal(math.inf) is None
    with line(admission, 0.1), pytest.raises(AssertionError):
        admission.refusal(math.inf)


def test_full_house_refuses_and_says_when_it_will_have_emptied() -> None:
    admission, tally = make(rate=10)
    with ExitStack() as house:
        for _ in range(50):
            house.enter_context(line(admission, math.inf))
        with pytest.raises(QueueFull, match="50 requests are in line") as caught:
            house.enter_context(line(admission, math.inf))
        assert caught.value.retry_after == 5
        assert admission.admitted == 50
    assert admission.admitted == 0
    assert tally.dropped == {"rejected": 1}


def test_place_is_free_again_after_an_error() -> None:
    admission, _ = make()
    with pytest.raises(KeyError), line(admission, 1):
        raise KeyError
    assert admission.admitted == 0


def test_caller_without_the_patience_to_wait_is_refused_at_once() -> None:
    admission, tally = make(rate=10)
    with ExitStack() as house:
        for _ in range(30):
            house.enter_context(line(admission, 10))
        house.enter_context(line(admission, 6.0))  # half of it is 30 / 10
        with pytest.raises(QueueFull, match=r"3\.1 s, too long for the 6\.0 s") as caught:
            house.enter_context(line(admission, 6.0))
        assert caught.value.retry_after == 1
        with pytest.raises(QueueFull, match=r"3\.1 s, too long for the 1\.0 s") as caught:
            house.enter_context(line(admission, 1.0))
        assert caught.value.retry_after == 3  # 2.6 s later the wait is half of the patience
    assert tally.dropped == {"rejected": 2}


def test_retry_after_is_at_least_one_second() -> None:
    admission, _ = make(rate=1000, floor=2, deadline=0.002)
    with line(admission, 1), line(admission, 1), pytest.raises(QueueFull) as caught:
        line(admission, 1).__enter__()
    assert caught.value.retry_after == 1


def test_impatient_caller_is_served_by_an_empty_house() -> None:
    admission, _ = make(rate=0.5)
    with line(admission, 0.001):
        assert admission.admitted == 1


def test_closed_house_lets_nobody_in() -> None:
    admission, tally = make()
    admission.closed = True
    with pytest.raises(Draining) as caught, line(admission, 1):
        pass
    assert caught.value.retry_after >= 1
    assert tally.dropped == {}


def test_drain_waits_for_everybody_who_is_in() -> None:
    async def main() -> None:
        admission, _ = make()
        first, second = line(admission, 1), line(admission, 1)
        first.__enter__()
        second.__enter__()
        draining = asyncio.create_task(admission.drain(30))
        await settle()
        with pytest.raises(Draining), line(admission, 1):
            pass
        first.__exit__(None, None, None)
        await settle()
        assert not draining.done()
        second.__exit__(None, None, None)
        assert await draining == 0
        assert asyncio.get_running_loop().time() == 0

    run(main())


def test_who_waits_for_a_body_is_in_nobodys_way() -> None:
    admission, tally = make(rate=10)
    with ExitStack() as house:
        places = [house.enter_context(admission.enter(math.inf)) for _ in range(200)]
        assert (admission.admitted, admission.present) == (0, 200)
        for place in places[:50]:
            place.line_up(math.inf)
        assert [place.in_line for place in places] == [True] * 50 + [False] * 150
        with pytest.raises(QueueFull, match="50 requests are in line"):
            places[50].line_up(math.inf)
        with pytest.raises(QueueFull):
            house.enter_context(admission.enter(math.inf))
        assert (admission.admitted, admission.present) == (50, 200)
    assert (admission.admitted, admission.present) == (0, 0)
    assert tally.dropped == {"rejected": 2}


def test_patience_may_end_while_the_body_arrives() -> None:
    admission, _ = make(rate=10)
    with ExitStack() as house:
        place = house.enter_context(admission.enter(4.0))
        for _ in range(10):
            house.enter_context(line(admission, math.inf))
        with pytest.raises(QueueFull, match=r"1\.0 s, too long for the 1\.5 s"):
            place.line_up(1.5)
        place.line_up(2.5)


def test_drain_waits_for_bodies_but_they_were_not_accepted() -> None:
    async def main() -> None:
        admission, _ = make()
        with ExitStack() as house:
            late = house.enter_context(admission.enter(1))
            draining = asyncio.create_task(admission.drain(30))
            await settle()
            late.line_up(1)  # it was let in
            await settle()
            assert not draining.done()
            house.close()
            assert await draining == 0

        admission, _ = make()
        with admission.enter(1):
            assert await admission.drain(30) == 0
            assert asyncio.get_running_loop().time() == pytest.approx(30)

    run(main())


def test_drain_gives_up_after_the_grace_period() -> None:
    async def main() -> None:
        admission, _ = make()
        with line(admission, 1):
            assert await admission.drain(30) == 1
            assert asyncio.get_running_loop().time() == pytest.approx(30)
        assert await admission.drain(30) == 0

    run(main())


@pytest.mark.parametrize("seed", [5.0, 50.0, 500.0])
def test_overload_is_refused_at_the_door_and_nobody_inside_waits_too_long(seed: float) -> None:
    """150 requests a second arrive at a path that answers 50, whatever the first estimate was."""

    async def main() -> tuple[int, list[float]]:
        loop = asyncio.get_running_loop()
        throughput = Throughput(lambda: seed, lambda: 2, loop.time)
        admission = Admission(lambda: throughput.rate, lambda: 2, 10.0, Tally())
        engine = asyncio.Lock()
        waits: list[float] = []
        refused = 0

        async def request() -> None:
            nonlocal refused
            came = loop.time()
            try:
                with line(admission, 10.0), throughput.work():
                    async with engine:
                        await asyncio.sleep(0.02)
                    if came > 60:
                        waits.append(loop.time() - came)
            except QueueFull:
                refused += came > 60

        dice = random.Random(1)  # noqa: S311
        async with asyncio.TaskGroup() as group:
            while loop.time() < 120:
                group.create_task(request())
                await asyncio.sleep(dice.expovariate(150))
        return refused, waits

    refused, waits = run(main())
    assert len(waits) == pytest.approx(60 * 50, rel=0.12)  # the path is never idle
    assert refused == pytest.approx(60 * 100, rel=0.1)
    if seed <= 50:
        assert max(waits) < 5.5
    assert max(waits) < 10.0
