"""The life of an engine: loaded, served, lost, replaced once, given up."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from app.inference import keeper as keeper_module
from app.inference.bundle import BundleError
from app.inference.engine import Device, EngineError
from app.inference.errors import EngineLost
from app.inference.health import State
from app.inference.keeper import Keeper
from app.inference.loading import Loaded
from app.inference.measurement import measure
from app.inference.rehearsal import Run
from app.inference.runner import Inferred, Prepared
from app.inference.tally import Tally
from tests.inference.fakes import RedEngine, red

IMAGE = np.full((4, 4, 3), 100, np.uint8)


async def until(condition: Callable[[], bool]) -> None:
    """Let the threads and the loop go on until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def rehearse_once(_: Loaded, run: Run) -> None:
    await run(Prepared(IMAGE))


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
        rehearse: Callable[[Loaded, Run], Awaitable[None]] = rehearse_once,
    ) -> None:
        self.engines: list[RedEngine] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.fault: Exception | None = None
        self.tally = Tally()
        self.keeper = Keeper(lambda: self.load(device), IMAGE, rehearse, self.tally)
        self.task = asyncio.create_task(self.keeper.keep())

    def load(self, device: Device) -> Loaded:
        self.may_load.wait()
        if self.fault:
            raise self.fault
        engine = RedEngine(device)
        self.engines.append(engine)
        how = measure(engine, IMAGE, lone=0.01, unhelped=0.01, buckets=(1, 2), seconds=0.0)
        return Loaded(engine, "a fake", how, rate=70.0, frame=b"")

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


async def test_the_rehearsal_is_over_before_the_service_is_ready() -> None:
    seen: list[tuple[State, bool]] = []
    over = asyncio.Event()

    async def rehearse(_: Loaded, run: Run) -> None:
        answer = await run(Prepared(IMAGE))
        np.testing.assert_array_equal(answer.probability, red(IMAGE))
        seen.append((house.keeper.state, house.keeper.batcher is None))
        await over.wait()

    house = House(rehearse=rehearse)
    await until(lambda: bool(seen))
    assert seen == [(State.STARTING, True)]
    assert not house.keeper.settled.is_set()
    over.set()
    await house.until(State.READY)
    assert not house.tally.batches
    await house.stop()


def engine_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("engine-")}


class Broken(Prepared):
    """Fails behind the engine."""

    def finish(self, _: Inferred) -> Inferred:
        """Fail."""
        raise ValueError("no way to draw this")


async def rehearse_what_fails(_: Loaded, run: Run) -> None:
    await run(Broken(IMAGE))


async def rehearse_on_a_broken_engine(loaded: Loaded, run: Run) -> None:
    assert isinstance(loaded.engine, RedEngine)
    loaded.engine.errors = [EngineError("bad luck")]
    await run(Prepared(IMAGE))


@pytest.mark.parametrize(
    ("rehearse", "reason"),
    [(rehearse_what_fails, "no way to draw this"), (rehearse_on_a_broken_engine, "bad luck")],
)
async def test_a_rehearsal_that_fails_is_a_failed_start(
    rehearse: Callable[[Loaded, Run], Awaitable[None]], reason: str
) -> None:
    before = engine_threads()
    house = House(rehearse=rehearse)
    await house.keeper.failed.wait()
    assert house.keeper.reason == reason
    assert house.keeper.batcher is None
    await house.task
    await until(lambda: engine_threads() <= before)


async def test_an_engine_that_hangs_in_the_rehearsal_is_replaced_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 0.05)

    async def rehearse(loaded: Loaded, run: Run) -> None:
        assert isinstance(loaded.engine, RedEngine)
        if len(house.engines) == 1:
            hang(loaded.engine)
        else:
            monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 20.0)
        await run(Prepared(IMAGE))

    house = House(rehearse=rehearse)
    await house.until(State.READY)
    assert len(house.engines) == 2
    assert house.tally.engines_lost == 1
    await house.infer()
    house.engines[0].free.set()
    await house.stop()


async def test_a_rehearsal_that_is_stuck_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "REHEARSAL_SECONDS", 0.05)

    async def rehearse(_: Loaded, __: Run) -> None:
        await asyncio.Event().wait()

    house = House(rehearse=rehearse)
    await house.keeper.failed.wait()
    assert "A rehearsal took longer than" in house.keeper.reason
    assert "second time" in house.keeper.reason
    assert len(house.engines) == 2
    await house.task


async def test_who_is_closed_in_the_rehearsal_leaves_no_threads() -> None:
    before = engine_threads()
    begun = asyncio.Event()

    async def rehearse(loaded: Loaded, run: Run) -> None:
        assert isinstance(loaded.engine, RedEngine)
        hang(loaded.engine)
        begun.set()
        await run(Prepared(IMAGE))

    house = House(rehearse=rehearse)
    await begun.wait()
    await asyncio.to_thread(house.engines[0].entered.acquire)
    await house.stop()
    house.engines[0].free.set()
    await until(lambda: engine_threads() <= before)


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
