"""The life of an engine: loaded, served, lost, replaced once, given up."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from app.inference import keeper as keeper_module
from app.inference.bundle import BundleError
from app.inference.engine import Device, EngineError
from app.inference.errors import EngineLost
from app.inference.health import State
from app.inference.keeper import Keeper
from app.inference.loading import Loaded
from app.inference.measurement import measure
from app.inference.runner import Inferred, Prepared, Work
from app.inference.tally import Tally
from tests.inference.fakes import RedEngine, red

IMAGE = np.full((4, 4, 3), 100, np.uint8)


async def until(condition: Callable[[], bool]) -> None:
    """Let the threads and the loop go on until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


class House:
    """A keeper whose engines a test can hold and break.

    Attributes:
        engines: Those that were loaded, in order.
        may_load: Loading waits while this is not set.
    """

    def __init__(
        self,
        device: Device = "cpu",
        *,
        slots: int = 1,
        rehearsal: Callable[[], Work] = lambda: Prepared(IMAGE),
    ) -> None:
        self.engines: list[RedEngine] = []
        self.slots = slots
        self.may_load = threading.Event()
        self.may_load.set()
        self.fault: Exception | None = None
        self.tally = Tally()
        self.keeper = Keeper(lambda: self.load(device), IMAGE, rehearsal, self.tally)
        self.task = asyncio.create_task(self.keeper.keep())

    def load(self, device: Device) -> Loaded:
        self.may_load.wait()
        if self.fault:
            raise self.fault
        engine = RedEngine(device)
        self.engines.append(engine)
        how = measure(engine, IMAGE, lone=0.01, buckets=(1, 2), slots=self.slots, seconds=0.0)
        return Loaded(engine, "a fake", how, rate=70.0)

    async def until(self, state: State) -> None:
        await until(lambda: self.keeper.state is state)

    async def infer(self) -> None:
        assert self.keeper.batcher
        answer = await self.keeper.batcher.submit(Prepared(IMAGE))
        np.testing.assert_array_equal(answer.probability, red(IMAGE))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_starting_then_ready() -> None:
    house = House()
    house.may_load.clear()
    await house.until(State.STARTING)
    assert not house.keeper.settled.is_set()
    assert (house.keeper.rate, house.keeper.two_batches) == (1.0, 2)
    house.may_load.set()
    await house.keeper.settled.wait()
    assert house.keeper.state is State.READY
    assert house.keeper.reason.startswith("a fake; 1 x 1 threads")
    assert house.keeper.rate == 70.0
    assert house.keeper.batcher
    assert house.keeper.two_batches == 2 * house.keeper.batcher.limit
    await house.infer()
    await house.stop()
    assert house.keeper.batcher is None


async def test_engine_that_cannot_be_loaded_is_a_failure_with_its_reason() -> None:
    house = House()
    house.fault = BundleError("Bundle 'x': 'model.onnx' is missing.")
    await house.keeper.failed.wait()
    assert house.keeper.settled.is_set()
    assert house.keeper.state is State.FAILED
    assert house.keeper.reason == "Bundle 'x': 'model.onnx' is missing."
    await house.task


async def test_every_slot_is_rehearsed_and_a_lone_run_before_the_service_is_ready() -> None:
    together = threading.Barrier(2)
    threads: list[str] = []
    works = 0

    @dataclass(frozen=True)
    class Noted(Prepared):
        number: int = 0

        def prepare(self) -> NDArray[np.uint8]:
            assert house.keeper.state is State.STARTING
            assert house.keeper.batcher is None
            threads.append(threading.current_thread().name)
            if self.number < 2:
                together.wait(20)
            return super().prepare()

    def rehearsal() -> Work:
        nonlocal works
        works += 1
        return Noted(IMAGE, works - 1)

    house = House(slots=2, rehearsal=rehearsal)
    await house.until(State.READY)
    assert len(set(threads[:2])) == 2
    assert len(threads) == 3
    assert house.engines[0].alone[-1] is True
    assert not house.tally.batches
    await house.stop()


class Broken(Prepared):
    """Fails behind the engine."""

    def finish(self, _: Inferred) -> Inferred:
        """Fail."""
        raise ValueError("no way to draw this")


async def test_a_rehearsal_that_fails_is_a_failure_with_its_reason() -> None:
    house = House(rehearsal=lambda: Broken(IMAGE))
    await house.keeper.failed.wait()
    assert house.keeper.reason == "no way to draw this"
    assert house.keeper.batcher is None
    await house.task
    await until(lambda: not any(t.name.startswith("engine-") for t in threading.enumerate()))


async def test_failed_run_degrades_until_a_run_goes_well() -> None:
    house = House()
    await house.until(State.READY)
    house.engines[0].errors = [EngineError("bad luck")]
    assert house.keeper.batcher
    with pytest.raises(EngineError):
        await house.keeper.batcher.submit(Prepared(IMAGE))
    assert house.keeper.state is State.DEGRADED
    assert house.keeper.reason == "The last run failed: bad luck"
    await house.until(State.READY)  # by a probe
    await house.stop()


Break = Callable[[RedEngine], None]


def die(engine: RedEngine) -> None:
    engine.errors = [RuntimeError("segmentation of nonsense")] * 9  # a prepared run fails too


def hang(engine: RedEngine) -> None:
    engine.free.clear()


@pytest.mark.parametrize(
    ("harm", "limit", "cause"), [(die, 20.0, "nonsense"), (hang, 0.05, "The engine hung")]
)
async def test_lost_engine_is_replaced_and_the_pending_are_told(
    harm: Break, limit: float, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", limit)
    house = House()
    await house.until(State.READY)
    # The next engine is sound: a thread that waits for a core is not to be taken for a hang.
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 20.0)
    house.may_load.clear()
    harm(house.engines[0])
    assert house.keeper.batcher
    pending = [asyncio.create_task(house.keeper.batcher.submit(Prepared(IMAGE))) for _ in range(5)]
    results = await asyncio.gather(*pending, return_exceptions=True)
    assert {type(result) for result in results} == {EngineLost}
    assert house.keeper.state is State.DEGRADED
    await until(lambda: house.keeper.batcher is None)
    assert house.keeper.state is State.DEGRADED
    assert cause in house.keeper.reason
    assert "A new engine is being loaded" in house.keeper.reason
    house.may_load.set()
    await house.until(State.READY)
    assert len(house.engines) == 2
    await house.infer()
    assert house.tally.engines_lost == 1
    house.engines[0].free.set()
    await house.stop()


async def lose(house: House) -> None:
    die(house.engines[-1])
    batcher = house.keeper.batcher
    assert batcher
    with pytest.raises(EngineLost):
        await batcher.submit(Prepared(IMAGE))
    await until(lambda: house.keeper.batcher is not batcher)


async def test_second_loss_within_ten_minutes_is_the_end() -> None:
    house = House()
    await house.until(State.READY)
    await lose(house)
    await house.until(State.READY)
    await lose(house)
    await house.keeper.failed.wait()
    assert "second time within 10 minutes" in house.keeper.reason
    assert house.keeper.state is State.FAILED
    assert house.keeper.batcher is None


async def test_the_log_tells_of_every_change(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "polypseg.engine"):
        house = House()
        for _ in range(2):
            await house.until(State.READY)
            await lose(house)
        await house.keeper.failed.wait()
    lines = [line for line in caplog.records if line.name == "polypseg.engine"]
    told = [(line.levelname, line.getMessage()) for line in lines]
    ready = ("INFO", "ready")
    assert told == [ready, ("ERROR", "degraded"), ready, ("ERROR", "failed")]


async def test_second_loss_much_later_is_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "_RELAPSE_SECONDS", 0.0)
    house = House()
    for _ in range(3):
        await house.until(State.READY)
        await lose(house)
    await house.until(State.READY)
    assert house.tally.engines_lost == 3
    assert len(house.engines) == 4
    await house.stop()


async def test_gpu_is_not_tried_again_in_the_same_process() -> None:
    house = House("gpu")
    await house.until(State.READY)
    await lose(house)
    await house.keeper.failed.wait()
    assert "Only a new process" in house.keeper.reason
    assert len(house.engines) == 1


async def test_replacement_that_cannot_be_loaded_is_the_end() -> None:
    house = House()
    await house.until(State.READY)
    house.fault = EngineError("no memory left")
    await lose(house)
    await house.keeper.failed.wait()
    assert house.keeper.reason == "no memory left"


async def test_replacement_that_takes_too_long_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "RELOAD_SECONDS", 0.05)
    house = House()
    await house.until(State.READY)
    house.may_load.clear()
    await lose(house)
    await house.keeper.failed.wait()
    assert "loading a new engine took longer than" in house.keeper.reason.lower()
    house.may_load.set()


async def test_probe_that_breaks_is_the_end_and_not_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a defect of the probe")

    monkeypatch.setattr(keeper_module, "probe_when_idle", broken)
    house = House()
    await house.keeper.failed.wait()
    assert "a defect of the probe" in house.keeper.reason


async def test_stopping_fails_what_waits() -> None:
    house = House()
    await house.until(State.READY)
    hang(house.engines[0])
    assert house.keeper.batcher
    task = asyncio.create_task(house.keeper.batcher.submit(Prepared(IMAGE)))
    await asyncio.sleep(0)
    await house.stop()
    with pytest.raises(EngineLost, match="closed"):
        await task
    house.engines[0].free.set()
