"""Batches in real threads."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from app.inference.engine import EngineError, OutOfMemory, check_probability
from app.inference.errors import EngineLost
from app.inference.runner import Runner, pad
from tests.inference.fakes import RedEngine, red

P99 = dict.fromkeys((1, 2, 4), 0.01)


def noise(count: int) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 8, 6, 3), np.uint8))


@pytest.mark.parametrize(("count", "bucket"), [(1, 1), (2, 2), (1, 4), (3, 4)])
async def test_each_image_gets_its_own_answer(count: int, bucket: int) -> None:
    engine = RedEngine()
    runner = Runner(engine, 1, P99)
    images = noise(count)
    answers = await runner(images, bucket)
    assert engine.sizes == [bucket]
    assert len(answers) == count
    for image, answer in zip(images, answers, strict=True):
        np.testing.assert_array_equal(answer.probability, red(image))
        assert answer.probability.base is None or bucket == 1  # keeps no batch alive
        assert answer.seconds >= 0
    runner.close()


def test_padding_is_black() -> None:
    images = noise(2)
    batch = pad(images, 4)
    assert batch.shape == (4, 8, 6, 3)
    np.testing.assert_array_equal(batch[:2], np.stack(images))
    assert not batch[2:].any()


def test_lone_image_is_not_copied() -> None:
    (image,) = noise(1)
    assert np.shares_memory(pad([image], 1), image)


@pytest.mark.parametrize("slots", [1, 2])
async def test_no_more_runs_than_slots_though_one_more_is_prepared(slots: int) -> None:
    engine = RedEngine()
    engine.free.clear()
    runner = Runner(engine, slots, P99)
    tasks = [asyncio.create_task(runner(noise(1), 1)) for _ in range(slots + 1)]
    for _ in range(slots):
        await asyncio.to_thread(engine.entered.acquire)
    assert not engine.entered.acquire(timeout=0.05)
    engine.free.set()
    await asyncio.gather(*tasks)
    assert engine.peak == slots
    runner.close()


async def test_error_of_the_engine_is_raised_and_frees_the_slot() -> None:
    engine = RedEngine()
    engine.errors = [EngineError("bad luck")]
    runner = Runner(engine, 1, P99)
    with pytest.raises(EngineError, match="bad luck"):
        await runner(noise(1), 1)
    assert len(await runner(noise(1), 1)) == 1
    runner.close()


async def test_no_memory_for_the_batch_is_no_fault_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    runner = Runner(RedEngine(), 1, P99)
    monkeypatch.setattr("app.inference.runner.pad", fail)
    with pytest.raises(OutOfMemory, match="batch of 4"):
        await runner(noise(3), 4)
    runner.close()


async def test_hung_run_loses_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 0.05)
    engine = RedEngine()
    engine.free.clear()
    runner = Runner(engine, 1, P99)
    with pytest.raises(EngineLost, match="hung"):
        await runner(noise(1), 1)
    runner.close()
    engine.free.set()


@pytest.mark.parametrize(
    ("maps", "named"),
    [
        (np.zeros((1, 2, 4), np.float32), r"float32 \(1, 2, 4\), expected float32 \(1, 2, 3\)"),
        (np.zeros((1, 2, 3)), "float64"),
        (np.full((1, 2, 3), np.nan, np.float32), "nan"),
        (np.full((1, 2, 3), np.inf, np.float32), "inf"),
        (np.full((1, 2, 3), 1.1, np.float32), "1.1"),
        (np.full((1, 2, 3), -0.1, np.float32), "-0.1"),
    ],
)
def test_what_is_no_probability_is_an_error(maps: NDArray[np.float32], named: str) -> None:
    with pytest.raises(EngineError, match=named):
        check_probability(maps, (1, 2, 3))


async def test_one_member_without_a_probability_is_an_error_of_the_run() -> None:
    class Poisoned(RedEngine):
        def infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            maps = super().infer(images)
            maps[0, 0, 0] = np.nan
            return maps

    runner = Runner(Poisoned(), 1, P99)
    with pytest.raises(EngineError, match="nan"):
        await runner(noise(2), 2)
    runner.close()
