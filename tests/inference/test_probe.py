"""When the engine is probed, and what a probe finds, in virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from app.inference.batcher import Batcher
from app.inference.engine import EngineError
from app.inference.errors import EngineLost
from app.inference.probe import probe_when_idle
from app.inference.runner import Inferred, Prepared, Work
from tests.inference.clock import run, settle
from tests.inference.fakes import red

IMAGE = np.full((4, 4, 3), 100, np.uint8)
OTHER = Prepared(np.zeros((4, 4, 3), np.uint8))


class House:
    """A batcher whose engine notes when it runs; probes come every 10 s."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.errors: list[Exception] = []
        self.broken: Exception | None = None
        self.hold: asyncio.Event | None = None
        self.drift = np.float32(0)
        self.batcher: Batcher[Work, Any] = Batcher(self.infer, buckets=[1])
        self.probe = asyncio.create_task(
            probe_when_idle(self.batcher, IMAGE, red(IMAGE), period=10.0)
        )

    async def infer(self, batch: Sequence[Work], _: int) -> list[Inferred]:
        self.times.append(asyncio.get_running_loop().time())
        if self.hold:
            await self.hold.wait()
        if self.broken or self.errors:
            raise self.broken or self.errors.pop(0)
        return [Inferred(red(work.prepare()) + self.drift, 0.0) for work in batch]


def test_idle_engine_is_probed_once_a_period() -> None:
    async def main() -> None:
        house = House()
        await asyncio.sleep(35)
        assert house.times == pytest.approx([10, 20, 30])
        house.probe.cancel()

    run(main())


def test_an_engine_that_never_answers_is_given_up() -> None:
    async def main() -> str:
        house = House()
        house.hold = asyncio.Event()
        cause = await house.batcher.lost
        # A period, three times the patience, and a second between them.
        assert asyncio.get_running_loop().time() == pytest.approx(10 + 3 * 30 + 2)
        return cause

    assert "no answer in 30 s" in run(main())


def test_busy_engine_is_not_probed() -> None:
    async def main() -> None:
        house = House()
        for _ in range(12):
            await asyncio.sleep(5)
            await house.batcher.submit(OTHER)
        assert len(house.times) == 12
        house.probe.cancel()

    run(main())


def test_failed_run_is_followed_by_a_probe_that_clears_the_doubt() -> None:
    async def main() -> None:
        house = House()
        await settle()
        house.errors = [EngineError("poison")]
        with pytest.raises(EngineError):
            await house.batcher.submit(OTHER)
        assert house.batcher.trouble.is_set()
        await settle()
        assert house.times == [0, 0]
        assert house.batcher.last_error is None
        await asyncio.sleep(15)
        assert house.times == pytest.approx([0, 0, 10])
        house.probe.cancel()

    run(main())


def test_probe_that_fails_is_repeated_and_then_the_doubt_is_gone() -> None:
    async def main() -> None:
        house = House()
        house.errors = [EngineError("no"), EngineError("no")]
        await asyncio.sleep(10.5)
        assert str(house.batcher.last_error) == "no"
        await asyncio.sleep(5)
        assert house.times == pytest.approx([10, 11, 12])
        assert house.batcher.last_error is None
        house.errors = [EngineError("no"), EngineError("no")]  # counted anew
        await asyncio.sleep(30)
        assert not house.batcher.lost.done()
        house.probe.cancel()

    run(main())


def test_three_failures_in_a_row_lose_the_engine() -> None:
    async def main() -> None:
        house = House()
        house.broken = EngineError("CUDA is unwell")
        cause = await house.batcher.lost
        assert cause == "The engine failed 3 probes in a row: CUDA is unwell"
        assert house.times == pytest.approx([10, 11, 12])
        await house.probe

    run(main())


def test_changed_answer_is_a_failure_and_rounding_is_none() -> None:
    async def main() -> None:
        house = House()
        house.drift = np.float32(0.01)
        await asyncio.sleep(10.5)
        assert not house.batcher.trouble.is_set()
        house.drift = np.float32(0.1)
        await asyncio.sleep(10)
        assert "answer to the probe has changed" in str(house.batcher.last_error)
        assert "has changed" in await house.batcher.lost
        await house.probe

    run(main())


def test_probe_ends_with_the_engine() -> None:
    async def main() -> None:
        house = House()
        house.broken = RuntimeError("dead")
        with pytest.raises(EngineLost):
            await house.probe
        assert await house.batcher.lost == "dead"

    run(main())
