"""What is chosen, given engines whose speed is known, on clocks that only the engines move."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from app.inference.engine import EngineError, OutOfMemory
from app.inference.measurement import Measurement, buckets_for, measure, time_alone
from tests.inference.fakes import RedEngine, red

IMAGE = np.full((4, 4, 3), 51, np.uint8)


class TimedEngine(RedEngine):
    """Takes the seconds that `cost` says for a batch size; each thread has a clock of its own."""

    def __init__(self, cost: Callable[[int], float]) -> None:
        super().__init__()
        self.cost = cost
        self._local = threading.local()

    def clock(self) -> float:
        now: float = getattr(self._local, "now", 0.0)
        return now

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        self._local.now = self.clock() + self.cost(len(images))
        return super().infer(images, alone=alone)


def measured(
    cost: Callable[[int], float], buckets: tuple[int, ...] = (1, 2), slots: int = 1
) -> Measurement:
    engine = TimedEngine(cost)
    return measure(
        engine, IMAGE, lone=0.5, unhelped=0.9, buckets=buckets, slots=slots, clock=engine.clock
    )


def test_figures_are_those_of_the_engine() -> None:
    result = measured(lambda size: 0.01 + 0.01 * size, (1, 2, 4))
    assert (result.lone, result.unhelped) == (0.5, 0.9)
    assert result.p99 == pytest.approx({1: 0.02, 2: 0.03, 4: 0.05})
    assert result.throughput == pytest.approx(4 / 0.05)
    assert result.buckets == (1, 2, 4)
    np.testing.assert_array_equal(result.probability, red(IMAGE))
    assert "batches up to 4: 500.0 ms alone, 80.0 images/s" in result.summary


def test_slots_add_up() -> None:
    assert measured(lambda _: 0.02, (1,), slots=3).throughput == pytest.approx(150)


@pytest.mark.parametrize(("gain", "kept"), [(1.0, (1,)), (1.09, (1,)), (1.11, (1, 2)), (0.5, (1,))])
def test_larger_bucket_must_bring_a_tenth_more(gain: float, kept: tuple[int, ...]) -> None:
    assert measured(lambda size: 0.02 * (1 if size == 1 else 2 / gain)).buckets == kept


def test_buckets_after_one_that_does_not_pay_are_not_tried() -> None:
    engine = TimedEngine(lambda size: 0.02 * size)
    measure(engine, IMAGE, lone=0.02, unhelped=0.02, buckets=(1, 4, 16), clock=engine.clock)
    assert set(engine.sizes) == {1, 4}


def test_few_runs_are_enough_for_a_slow_engine_and_for_a_fast_one() -> None:
    slow, fast = TimedEngine(lambda _: 10.0), TimedEngine(lambda _: 1e-6)
    for engine in (slow, fast):
        measure(engine, IMAGE, lone=0.02, unhelped=0.02, buckets=(1,), clock=engine.clock)
    assert len(slow.sizes) == 2 + 3 + 1
    assert len(fast.sizes) == 2 + 20 + 1


def test_lone_runs_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two runs to warm; then the machine is busy in all runs but one of each kind.
    costs = [9.0, 9.0, 0.9, 0.9, 0.9, 0.02, 0.9, 0.9, 0.01, 0.9, 0.9, 0.9]
    now, asked, rests = [0.0], list[bool](), list[float]()

    class Noted(RedEngine):
        def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
            asked.append(alone)
            now[0] += costs.pop(0)
            return super().infer(images, alone=alone)

    monkeypatch.setattr("app.inference.measurement.sleep", rests.append)
    found = time_alone(Noted(), IMAGE, seconds=5.5, clock=lambda: now[0])
    assert found == pytest.approx((0.01, 0.02))
    assert asked == [True, False] * 6
    assert len(rests) == 10
    assert min(rests) > 0


def test_bucket_that_does_not_fit_into_memory_ends_the_list() -> None:
    def cost(size: int) -> float:
        if size == 16:
            raise OutOfMemory("full")
        return 0.02

    assert measured(cost, (1, 4, 16, 64)).buckets == (1, 4)


def test_engine_that_cannot_run_one_image_is_no_engine() -> None:
    def cost(size: int) -> float:
        if size > 1:
            raise OutOfMemory("full")
        return 0.02

    with pytest.raises(OutOfMemory):
        measured(cost, (4,))


def test_engine_that_gives_another_shape_is_no_engine() -> None:
    class Wrong(RedEngine):
        def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
            return super().infer(images, alone=alone)[:, 1:]

    with pytest.raises(EngineError, match=r"\(1, 3, 4\), expected float32 \(1, 4, 4\)"):
        measure(Wrong(), IMAGE, lone=0.02, unhelped=0.02, buckets=(1,))
    with pytest.raises(EngineError, match=r"\(1, 3, 4\)"):
        time_alone(Wrong(), IMAGE)


@pytest.mark.parametrize(("slots", "kinds"), [(1, {True}), (2, {False})])
def test_runs_are_timed_as_they_will_be_run_and_warmed_in_both_ways(
    slots: int, kinds: set[bool]
) -> None:
    engine = RedEngine()
    measure(engine, IMAGE, lone=0.02, unhelped=0.02, buckets=(1, 2), slots=slots, seconds=0.0)
    told = list(zip(engine.sizes, engine.alone, strict=True))
    for size in (1, 2):
        assert {alone for number, alone in told if number == size} == {True, False}
    timed_last = told[-1 - 3 * slots : -1]  # three runs a slot, before the one for the probe
    assert {alone for _, alone in timed_last} == kinds


def test_buckets_by_device_and_wish() -> None:
    assert buckets_for("tensorflow", "cpu") == (1, 2)
    assert buckets_for("onnxruntime", "cpu") == (1,)
    assert buckets_for("tensorflow", "gpu") == (1, 4, 16, 64)
    assert buckets_for("onnxruntime", "cpu", 1) == (1,)
    assert buckets_for("onnxruntime", "cpu", 6) == (1, 2, 4, 6)
    assert buckets_for("tensorflow", "gpu", 1) == (1,)
    assert buckets_for("tensorflow", "gpu", 32) == (1, 4, 16, 32)
    assert buckets_for("tensorflow", "gpu", 256) == (1, 4, 16, 64, 256)
