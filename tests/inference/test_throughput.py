"""The estimate of answers per second, on a clock that the test moves."""

import asyncio
from contextlib import ExitStack, suppress

import pytest

from app.imaging import ImageError
from app.inference.throughput import Throughput
from tests.inference.clock import run


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(seed: float = 50.0, saturation: int = 2) -> tuple[Throughput, Clock]:
    clock = Clock()
    return Throughput(lambda: seed, lambda: saturation, clock), clock


def serve(throughput: Throughput, clock: Clock, *, rate: float, seconds: float) -> None:
    """Two requests are always at work, and one is answered every `1 / rate` seconds."""
    with ExitStack() as other:
        other.enter_context(throughput.work())
        for _ in range(round(rate * seconds)):
            with throughput.work():
                clock.now += 1 / rate


def test_seed_is_believed_until_there_is_more_to_go_by() -> None:
    throughput, clock = make()
    assert throughput.rate == 50
    clock.now += 1000
    assert throughput.rate == 50


def refuse(
    throughput: Throughput, clock: Clock, fault: Exception, *, rate: float, seconds: float
) -> None:
    """Two requests are always at work, and one fails every `1 / rate` seconds."""
    with throughput.work():
        for _ in range(round(rate * seconds)):
            with suppress(type(fault)), throughput.work():
                clock.now += 1 / rate
                raise fault


@pytest.mark.parametrize(("refused", "expected"), [(10.0, 10.0), (50.0, 50.0), (5000.0, 50.0)])
def test_what_is_no_image_changes_nothing_unless_it_is_slow(
    refused: float, expected: float
) -> None:
    throughput, clock = make(seed=50)
    refuse(throughput, clock, ImageError("no image"), rate=refused, seconds=60)
    assert throughput.rate == pytest.approx((10 * expected + 0.5 * 50) / 10.5, rel=0.05)


def test_images_among_what_is_none_are_measured() -> None:
    throughput, clock = make(seed=50)
    for _ in range(6000):
        refuse(throughput, clock, ImageError("no image"), rate=1000, seconds=0.001)
        serve(throughput, clock, rate=100, seconds=0.01)
    assert throughput.rate == pytest.approx(1.1 / 0.011, rel=0.05)


def test_what_fails_is_no_answer() -> None:
    throughput, clock = make(seed=50)
    refuse(throughput, clock, OSError(), rate=50, seconds=60)
    assert throughput.rate == pytest.approx(0.5 * 50 / 10.5, rel=0.02)


def test_rate_is_of_a_few_milliseconds_ago() -> None:
    throughput, clock = make()
    with throughput.work(), throughput.work():
        clock.now += 1
        rate = throughput.rate
        clock.now += 0.009
        assert throughput.rate == rate
        clock.now += 0.002
        assert throughput.rate < rate


@pytest.mark.parametrize("rate", [10.0, 50.0, 200.0])
def test_busy_path_is_measured(rate: float) -> None:
    throughput, clock = make(seed=50)
    serve(throughput, clock, rate=rate, seconds=60)
    assert throughput.rate == pytest.approx((10 * rate + 0.5 * 50) / 10.5, rel=0.02)


def test_estimate_follows_a_change() -> None:
    throughput, clock = make(seed=50)
    serve(throughput, clock, rate=100, seconds=60)
    serve(throughput, clock, rate=25, seconds=10)
    halfway = throughput.rate
    serve(throughput, clock, rate=25, seconds=60)
    assert 25 < throughput.rate < halfway < 100


def test_lone_requests_say_nothing() -> None:
    throughput, clock = make(seed=50, saturation=2)
    for _ in range(1000):
        with throughput.work():
            clock.now += 1.0
    assert throughput.rate == 50


def test_only_answers_count() -> None:
    throughput, clock = make(seed=50)
    with throughput.work():
        for _ in range(100):
            with suppress(KeyError), throughput.work():
                clock.now += 0.1
                raise KeyError
    assert throughput.rate < 50 / 10


def test_a_bad_spell_is_forgotten() -> None:
    throughput, clock = make(seed=50)
    serve(throughput, clock, rate=1, seconds=60)
    assert throughput.rate < 6
    clock.now += 600
    assert throughput.rate == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize(("servers", "service"), [(1, 0.02), (4, 0.1)])
def test_estimate_finds_the_capacity_of_a_simulated_path(servers: int, service: float) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        throughput = Throughput(lambda: 10.0, lambda: 2 * servers, loop.time)
        free = asyncio.Semaphore(servers)

        async def request() -> None:
            with throughput.work():
                async with free:
                    await asyncio.sleep(service)

        async def client() -> None:
            while loop.time() < 60:
                await request()

        await asyncio.gather(*(client() for _ in range(3 * servers)))
        return throughput.rate

    assert run(main()) == pytest.approx((10 * servers / service + 0.5 * 10) / 10.5, rel=0.05)
