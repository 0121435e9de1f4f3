"""The runner: makes a blocking engine awaitable, one batch prepared while others run."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import Engine, OutOfMemory, check_probability
from app.inference.threads import Threads
from app.inference.watch import Run, allowed_seconds, watch


@dataclass(frozen=True, slots=True)
class Inferred:
    """The engine's answer for one image.

    Attributes:
        probability: float32 `[h, w]` in [0, 1] at the input size of the model.
        seconds: How long the engine computed, for the whole batch.
    """

    probability: NDArray[np.float32]
    seconds: float


class Runner:
    """Runs batches in threads of its own, under watch.

    Args:
        engine: A warm engine.
        slots: Batches that may compute at once.
        warm_p99: Seconds of a run by bucket, as measured when warming.
    """

    def __init__(self, engine: Engine, slots: int, warm_p99: Mapping[int, float]) -> None:
        self._engine = engine
        self._allowed = {bucket: allowed_seconds(p99) for bucket, p99 in warm_p99.items()}
        self._slots = threading.Semaphore(slots)
        self._threads = Threads(slots + 1, "engine")  # the one more prepares

    async def __call__(self, images: Sequence[NDArray[np.uint8]], bucket: int) -> list[Inferred]:
        """Run one batch.

        Args:
            images: uint8 `[h, w, 3]` each, at most `bucket` of them.
            bucket: The batch size to pad to.

        Raises:
            OutOfMemory: There is no memory for a batch of this size.
            EngineError: The run failed, or gave something that is no probability.
            EngineLost: The run is hung.
        """
        run = Run()
        future = self._threads.submit(lambda: self._infer(images, bucket, run))
        return await watch(future, run, self._allowed[bucket])

    def close(self) -> None:
        """Let the threads end; one that hangs is abandoned."""
        self._threads.close()

    def _infer(self, images: Sequence[NDArray[np.uint8]], bucket: int, run: Run) -> list[Inferred]:
        try:
            return self._compute(images, bucket, run)
        except MemoryError as error:  # of NumPy; the engine is well
            raise OutOfMemory(f"There is no memory for a batch of {bucket}.") from error

    def _compute(
        self, images: Sequence[NDArray[np.uint8]], bucket: int, run: Run
    ) -> list[Inferred]:
        batch = pad(images, bucket)
        with self._slots:
            run.start()
            began = time.perf_counter()
            maps = self._engine.infer(batch)
            seconds = time.perf_counter() - began
        check_probability(maps, batch.shape[:3])
        # A map of its own for each: a slow client must not keep the whole batch in memory.
        return [
            Inferred(one if bucket == 1 else one.copy(), seconds) for one in maps[: len(images)]
        ]


def pad(images: Sequence[NDArray[np.uint8]], bucket: int) -> NDArray[np.uint8]:
    """Stack images to uint8 `[bucket, h, w, 3]`; the missing ones are black."""
    if bucket == len(images) == 1:
        return images[0][np.newaxis]
    batch = np.zeros((bucket, *images[0].shape), np.uint8)
    np.stack(images, out=batch[: len(images)])
    return batch
