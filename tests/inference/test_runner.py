"""Batches in real threads."""

import asyncio
import os
import re
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from app.frames import describe_frames
from app.inference.batcher import Batcher, Unfit
from app.inference.engine import EngineError, OutOfMemory, check_probability
from app.inference.errors import DeadlineExceeded, EngineLost
from app.inference.runner import Inferred, Prepared, Runner, Work, pad
from app.inference.tally import Tally
from app.inference.watch import Run
from tests.inference.fakes import RedEngine, red
from tests.waiting import until

P99 = dict.fromkeys((1, 2, 4), 0.01)


def noise(count: int) -> list[Prepared]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 8, 6, 3), np.uint8)
    return [Prepared(image) for image in pixels]


@pytest.mark.parametrize(("count", "bucket"), [(1, 1), (2, 2), (1, 4), (3, 4)])
async def test_each_image_gets_its_own_answer(count: int, bucket: int) -> None:
    engine = RedEngine()
    runner = Runner(engine, 1, P99)
    batch = noise(count)
    answers = await runner(batch, bucket)
    assert engine.sizes == [bucket]
    assert len(answers) == count
    for work, answer in zip(batch, answers, strict=True):
        np.testing.assert_array_equal(answer.probability, red(work.pixels))
        assert answer.probability.base is None or bucket == 1  # keeps no batch alive
        assert answer.seconds >= 0
    runner.close()


def test_padding_is_black() -> None:
    images = [work.pixels for work in noise(2)]
    batch = pad(images, 4)
    assert batch.shape == (4, 8, 6, 3)
    np.testing.assert_array_equal(batch[:2], np.stack(images))
    assert not batch[2:].any()


def test_lone_image_is_not_copied() -> None:
    (work,) = noise(1)
    assert np.shares_memory(pad([work.pixels], 1), work.pixels)


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


async def test_a_thread_with_a_core_of_its_own_takes_one_batch_after_another() -> None:
    engine = RedEngine()
    engine.free.clear()
    (core, *_) = os.sched_getaffinity(0)
    runner = Runner(engine, 1, P99, cores=[core])
    prepared: list[str] = []

    class Noted(Prepared):
        def prepare(self) -> NDArray[np.uint8]:
            prepared.append(threading.current_thread().name)
            return self.pixels

    (work,) = noise(1)
    tasks = [asyncio.create_task(runner([Noted(work.pixels)], 1)) for _ in range(2)]
    await asyncio.to_thread(engine.entered.acquire)
    assert prepared == ["engine-0"]  # the other one waits for the same thread
    engine.free.set()
    await asyncio.gather(*tasks)
    assert prepared == ["engine-0"] * 2
    runner.close()


async def test_engine_is_told_whether_another_batch_is_at_work() -> None:
    class Waiting(Prepared):
        def finish(self, inferred: Inferred) -> Inferred:
            rendered.wait()
            return inferred

    rendered = threading.Event()
    engine = RedEngine()
    runner = Runner(engine, 2, P99)
    (first,) = noise(1)
    rendering = asyncio.create_task(runner([Waiting(first.pixels)], 1))
    await asyncio.to_thread(engine.entered.acquire)
    await runner([first], 1)  # the engine is free, but not its core
    rendered.set()
    await rendering
    await runner([first], 1)
    assert engine.alone == [True, False, True]
    runner.close()


async def test_a_lone_run_that_was_late_with_help_is_followed_by_some_without() -> None:
    engine = RedEngine()
    runner = Runner(engine, 1, P99, unhelped=1e-9)  # whatever takes longer is late
    for _ in range(3):
        await runner(noise(1), 1)
    assert engine.alone == [True, False, False]
    runner.close()
    several = Runner(engine, 1, P99, unhelped=1e-9)  # which is the time of one image
    for _ in range(2):
        await several(noise(2), 2)
    assert engine.alone[3:] == [True, True]
    several.close()
    patient = Runner(engine, 1, P99, unhelped=1e9)
    for _ in range(2):
        await patient(noise(1), 1)
    assert engine.alone[5:] == [True, True]
    patient.close()
    useless = Runner(engine, 1, P99, lone=0.003, unhelped=0.002)
    await useless(noise(1), 1)
    assert not engine.alone[7]
    useless.close()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this process may use one core only")
async def test_a_run_on_another_core_than_the_first_is_not_helped() -> None:
    class Rendering(Prepared):
        def finish(self, inferred: Inferred) -> Inferred:
            rendering.release()
            rendered.wait()
            return inferred

    rendering, rendered = threading.Semaphore(0), threading.Event()
    engine = RedEngine()
    cores = sorted(os.sched_getaffinity(0))[:2]
    runner = Runner(engine, 2, P99, cores)
    (image,) = noise(1)
    # The first core's thread is held, until that of the other one is about to begin.
    first = asyncio.create_task(runner([Rendering(image.pixels)], 1))
    await asyncio.to_thread(rendering.acquire)

    class Preparing(Prepared):
        def prepare(self) -> NDArray[np.uint8]:
            loop.call_soon_threadsafe(rendered.set)
            asyncio.run_coroutine_threadsafe(ended(), loop).result()
            return self.pixels

    async def ended() -> None:
        await first

    loop = asyncio.get_running_loop()
    await runner([Preparing(image.pixels)], 1)
    assert engine.alone == [True, False]
    runner.close()


async def test_what_was_formed_ahead_is_not_run_once_nobody_waits_for_it() -> None:
    engine = RedEngine()
    engine.free.clear()
    runner = Runner(engine, 1, P99, cores=[min(os.sched_getaffinity(0))])
    tally = Tally()
    batcher: Batcher[Work, Inferred] = Batcher(runner, buckets=(1,), tally=tally)
    (image,) = noise(1)

    class Late(Prepared):
        def prepare(self) -> NDArray[np.uint8]:
            raise DeadlineExceeded("The deadline passed in the queue.")

    first = asyncio.create_task(batcher.submit(image))
    await asyncio.to_thread(engine.entered.acquire)
    ahead = asyncio.create_task(batcher.submit(Late(image.pixels)))
    await asyncio.sleep(0)
    assert batcher.depth == 0  # its batch is formed
    engine.free.set()
    await first
    with pytest.raises(DeadlineExceeded):
        await ahead
    assert engine.sizes == [1]
    assert batcher.runs == 1
    assert tally.dropped == {"expired": 1}
    runner.close()


async def test_a_lone_run_that_another_batch_has_joined_is_not_taken_for_late() -> None:
    engine = RedEngine()
    engine.free.clear()
    runner = Runner(engine, 2, P99, unhelped=1e-9)
    (image,) = noise(1)
    first = asyncio.create_task(runner([image], 1))
    await asyncio.to_thread(engine.entered.acquire)
    second = asyncio.create_task(runner([image], 1))
    await asyncio.to_thread(engine.entered.acquire)
    engine.free.set()
    await asyncio.gather(first, second)
    await runner([image], 1)
    assert engine.alone == [True, False, True]
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


@dataclass(frozen=True)
class Broken(Prepared):
    """An image that is at fault, before the engine or after it."""

    early: bool

    def prepare(self) -> NDArray[np.uint8]:
        if self.early:
            raise ValueError("no image")
        return self.pixels

    def finish(self, _: Inferred) -> Inferred:
        raise MemoryError("too large")


@pytest.mark.parametrize("early", [True, False])
async def test_image_at_fault_fails_alone(early: bool) -> None:
    engine = RedEngine()
    runner = Runner(engine, 1, P99)
    first, last = noise(2)
    broken, good, *more = await runner([Broken(first.pixels, early=early), last], 2)
    assert isinstance(broken, Unfit)
    assert broken.ran is not early
    assert str(broken.error) == ("no image" if early else "too large")
    # Its frames would hold the whole batch; what they tell is kept as text, for the log.
    assert broken.error.__traceback__ is None
    assert re.fullmatch(
        r"tests/inference/test_runner.py:\d+ (prepare|finish)", describe_frames(broken.error)[-1]
    )
    np.testing.assert_array_equal(good.probability, red(last.pixels))
    assert not more
    assert engine.sizes == [2]
    runner.close()


async def test_engine_does_not_run_when_nothing_is_fit_for_it() -> None:
    engine = RedEngine()
    runner = Runner(engine, 1, P99)
    (unfit,) = await runner([Broken(noise(1)[0].pixels, early=True)], 1)
    assert isinstance(unfit, Unfit)
    assert engine.sizes == []
    runner.close()


async def test_what_takes_long_after_the_engine_is_no_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 0.05)
    # The clock stands still while the engine computes, however long its thread waits for a core.
    clock = 0.0
    monkeypatch.setattr("app.inference.runner.Run", lambda: Run(lambda: clock))
    finishing, going_on = threading.Event(), threading.Event()

    class Large(Prepared):
        def finish(self, inferred: Inferred) -> Inferred:
            finishing.set()
            going_on.wait()
            return inferred

    runner = Runner(RedEngine(), 1, {1: 0.0})
    running = asyncio.create_task(runner([Large(noise(1)[0].pixels)], 1))
    await asyncio.to_thread(finishing.wait)
    clock = 0.5  # ten times as long as the engine may take
    await asyncio.sleep(0.15)  # the watch looks at it thrice
    assert not running.done()
    going_on.set()
    assert len(await running) == 1
    runner.close()


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
        def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
            maps = super().infer(images, alone=alone)
            maps[0, 0, 0] = np.nan
            return maps

    runner = Runner(Poisoned(), 1, P99)
    with pytest.raises(EngineError, match="nan"):
        await runner(noise(2), 2)
    runner.close()


class Hanging(RedEngine):
    """An engine whose first run never ends by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        self.go_on.wait()
        return super().infer(images, alone=alone)


class Dying(RedEngine):
    """An engine that raises what no engine ought to."""

    def infer(self, *_: object, **__: object) -> NDArray[np.float32]:
        raise ValueError("dead")


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", [Hanging, Dying])
async def test_an_engine_that_is_lost_leaves_no_image_to_the_garbage_collector(
    kind: type[RedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.watch.MIN_SECONDS", 0.05)
    engine = kind()
    runner = Runner(engine, 1, {1: 0.0})
    batcher: Batcher[Prepared, Inferred] = Batcher(runner, buckets=[1])

    async def lose() -> weakref.ref[Prepared]:
        work = Watched(noise(1)[0].pixels)
        with pytest.raises(EngineLost):
            await batcher.submit(work)
        return weakref.ref(work)

    work = await lose()
    await batcher.lost
    if isinstance(engine, Hanging):
        engine.go_on.set()  # a thread that goes on lets go of what it holds
    runner.close()
    await until(lambda: work() is None)


class Watched(Prepared):
    """Can be watched: it has no slots."""
