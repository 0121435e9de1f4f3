"""What the machine can do: measured once at start-up, while every batch bucket is warmed."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from time import perf_counter, sleep

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import Device, Engine, EngineName, OutOfMemory, check_probability
from app.inference.runner import pad
from app.inference.threads import stay_on

# Differences up to this count as none: they are smaller than the noise of a busy machine.
_SAME = 0.10
CPU_BUCKETS: dict[EngineName, tuple[int, ...]] = {"onnxruntime": (1,), "tensorflow": (1, 2)}
GPU_BUCKETS = (1, 4, 16, 64)
_LEAST_RUNS, _MOST_RUNS = 3, 20
# A lone request comes when nobody computes: helping threads sleep, and cores rest.
_REST_SECONDS = 0.004


@dataclass(frozen=True, slots=True)
class Measurement:
    """One way to use an engine, and what it gave.

    Attributes:
        slots: Batches that compute at once.
        threads: Processor cores of a run that is alone.
        buckets: The batch sizes that pay; the largest is the batch limit.
        lone: Seconds of a run of one image while nothing else runs, as `time_alone` says.
        unhelped: Seconds of such a run with one core.
        throughput: Images per second with all slots busy, at the batch limit.
        p99: Seconds of a run by bucket, 99th percentile, with all slots busy.
        probability: The answer to the image that was measured with.
    """

    slots: int
    threads: int
    buckets: tuple[int, ...]
    lone: float
    unhelped: float
    throughput: float
    p99: dict[int, float]
    probability: NDArray[np.float32]

    @property
    def summary(self) -> str:
        """One line for the log and for `/health`."""
        return (
            f"{self.slots} x {self.threads} threads, batches up to {self.buckets[-1]}: "
            f"{self.lone * 1000:.1f} ms alone, {self.throughput:.1f} images/s"
        )


def buckets_for(name: EngineName, device: Device, max_batch: int | None = None) -> tuple[int, ...]:
    """Return the batch sizes to try.

    On a processor batches hardly pay. ONNX Runtime, which has a slot a core there, gains nothing at
    all: its members would wait for each other, and its memory grows with the largest batch that it
    has seen. Larger ones must be asked for.

    Args:
        name: The library that runs the model.
        device: Where the engine runs.
        max_batch: The largest batch to try, if the user names one.
    """
    if max_batch is None:
        return GPU_BUCKETS if device == "gpu" else CPU_BUCKETS[name]
    sizes = GPU_BUCKETS if device == "gpu" else [2**power for power in range(10)]
    return (*(size for size in sizes if size < max_batch), max_batch)


def time_alone(
    engine: Engine,
    image: NDArray[np.uint8],
    *,
    cores: Sequence[int] = (),
    seconds: float = 0.25,
    clock: Callable[[], float] = perf_counter,
) -> tuple[float, float]:
    """Time a run of one image while nothing else runs: with help, and as if others ran. Blocking.

    Both take turns, so that what else the machine does meets both.

    Args:
        engine: A loaded engine.
        image: uint8 `[h, w, 3]`.
        cores: Where the thread that asks will stay: on the first.
        seconds: How long to time, at least 3 and at most 20 runs of each.
        clock: What time is measured with.

    Returns:
        Seconds with all of the engine's threads, and with the one that calls: the shortest of
        several, since what else a machine does at start-up makes a run longer, never shorter.

    Raises:
        EngineError: The engine cannot run a single image, or gives no probabilities.
    """
    batch = pad([image], 1)
    _warm(engine, batch)

    def run(*, alone: bool) -> float:
        sleep(_REST_SECONDS)
        began = clock()
        engine.infer(batch, alone=alone)
        return clock() - began

    def work() -> list[tuple[float, float]]:
        stay_on(cores[:1])
        turns: list[tuple[float, float]] = []
        until = clock() + seconds
        while len(turns) < _LEAST_RUNS or (len(turns) < _MOST_RUNS and clock() < until):
            turns.append((run(alone=True), run(alone=False)))
        return turns

    with ThreadPoolExecutor(1) as thread:
        helped, unhelped = zip(*thread.submit(work).result(), strict=True)
    return min(helped), min(unhelped)


def measure(
    engine: Engine,
    image: NDArray[np.uint8],
    *,
    lone: float,
    unhelped: float,
    buckets: Sequence[int],
    slots: int = 1,
    cores: Sequence[int] = (),
    seconds: float = 0.25,
    clock: Callable[[], float] = perf_counter,
) -> Measurement:
    """Warm the buckets of an engine and time them. Blocking.

    A bucket that does not fit into memory ends the list; so does one that brings less than 10 %
    more images per second, since it would only make its members wait for each other.

    Args:
        engine: A loaded engine.
        image: uint8 `[h, w, 3]`, an image as the engine will see them.
        lone: Seconds of a lone run, as `time_alone` says.
        unhelped: Seconds of one with one core, as `time_alone` says.
        buckets: Batch sizes to try, rising.
        slots: Batches to run at once.
        cores: Where the threads of the slots will stay.
        seconds: How long to time each bucket, at least 3 and at most 20 runs.
        clock: What time is measured with.

    Raises:
        EngineError: The engine cannot run a single image, or gives no probabilities.
    """
    throughput, p99 = 0.0, {}
    for bucket in buckets:
        try:
            batch = pad([image] * bucket, bucket)
            runs = _time_runs(engine, batch, slots, cores, seconds, clock)
        except OutOfMemory:
            if bucket == buckets[0]:
                raise
            break
        rate = bucket * slots / float(np.median(runs))
        if rate < throughput * (1 + _SAME):
            break
        throughput = rate
        p99[bucket] = float(np.percentile(runs, 99))
    return Measurement(
        slots=slots,
        threads=engine.threads,
        buckets=tuple(p99),
        lone=lone,
        unhelped=unhelped,
        throughput=throughput,
        p99=p99,
        probability=engine.infer(pad([image], 1))[0].copy(),
    )


def _time_runs(
    engine: Engine,
    batch: NDArray[np.uint8],
    slots: int,
    cores: Sequence[int],
    seconds: float,
    clock: Callable[[], float],
) -> list[float]:
    _warm(engine, batch)

    def work(slot: int) -> list[float]:
        stay_on(cores[slot : slot + 1])
        runs: list[float] = []
        until = clock() + seconds
        while len(runs) < _LEAST_RUNS or (len(runs) < _MOST_RUNS and clock() < until):
            began = clock()
            engine.infer(batch, alone=slots == 1)
            runs.append(clock() - began)
        return runs

    with ThreadPoolExecutor(slots) as threads:
        return list(chain.from_iterable(threads.map(work, range(slots))))


def _warm(engine: Engine, batch: NDArray[np.uint8]) -> None:
    for alone in (True, False):
        check_probability(engine.infer(batch, alone=alone), batch.shape[:3])
