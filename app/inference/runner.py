"""The runner: makes a blocking engine awaitable, one batch prepared while others run."""

import contextlib
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from app.frames import forget_frames, keep_frames
from app.imaging import ImageError
from app.inference.batcher import Unfit
from app.inference.engine import Engine, OutOfMemory, check_probability
from app.inference.errors import CallerLeft, DeadlineExceeded
from app.inference.help import Help
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


class Work(Protocol):
    """What there is to do for one image, before and after the engine.

    What either step raises is the fault of this image alone.
    """

    def prepare(self) -> NDArray[np.uint8]:
        """Return the input of the model, uint8 `[h, w, 3]`; called again if a run fails."""

    def finish(self, inferred: Inferred) -> Any:
        """Turn what the engine says into the answer."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that needs nothing but the engine.

    Attributes:
        pixels: The input of the model, uint8 `[h, w, 3]`.
    """

    pixels: NDArray[np.uint8]

    def prepare(self) -> NDArray[np.uint8]:
        """Return the pixels."""
        return self.pixels

    def finish(self, inferred: Inferred) -> Inferred:
        """Return what the engine says."""
        return inferred


class Runner:
    """Runs batches in threads of its own, under watch.

    A batch stays in one thread from its first step to its last.

    Args:
        engine: A warm engine.
        slots: Batches that may compute at once.
        warm_p99: Seconds of a run by bucket, as measured when warming.
        cores: The core of each slot. Threads that have one stay there, and prepare their batches
            themselves: one more to prepare ahead would take turns with them on the same cores. Only
            runs on the first core are helped: the threads that help are on the others.
        lone: Seconds of a lone run with all cores.
        unhelped: Seconds of one with one core.
    """

    def __init__(
        self,
        engine: Engine,
        slots: int,
        warm_p99: Mapping[int, float],
        cores: Sequence[int] = (),
        lone: float = 0.0,
        unhelped: float = math.inf,
    ) -> None:
        self._engine = engine
        self._help = Help(lone, unhelped)
        self._allowed = {bucket: allowed_seconds(p99) for bucket, p99 in warm_p99.items()}
        self._cores = cores
        # Where a slot is a thread, no thread has to wait for one.
        self._slots = contextlib.nullcontext() if cores else threading.Semaphore(slots)
        self._batches = 0
        self._begun = 0
        self._threads = Threads(slots if cores else slots + 1, "engine", cores)

    async def __call__(self, batch: Sequence[Work], bucket: int) -> list[Any]:
        """Run one batch.

        Args:
            batch: At most `bucket` images.
            bucket: The batch size to pad to.

        Returns:
            The answers in order; `Unfit` for an image that is at fault itself.

        Raises:
            OutOfMemory: There is no memory for a batch of this size.
            EngineError: The run failed, or gave something that is no probability.
            EngineLost: The run is hung.
        """
        run = Run()
        self._batches += 1
        self._begun += 1
        try:
            return await watch(
                self._threads.submit(lambda: self._take_through(batch, bucket, run)),
                run,
                self._allowed[bucket],
            )
        finally:
            self._batches -= 1

    def close(self) -> None:
        """Let the threads end; one that hangs is abandoned."""
        self._threads.close()

    def _is_helped(self) -> bool:
        if self._batches > 1 or not self._help.pays():
            return False
        return not self._cores or self._cores[0] in os.sched_getaffinity(0)

    def _take_through(self, batch: Sequence[Work], bucket: int, run: Run) -> list[Any]:
        answers: list[Any] = [_prepare(work) for work in batch]
        fit = [number for number, image in enumerate(answers) if not isinstance(image, Unfit)]
        inferred = self._infer([answers[number] for number in fit], bucket, run) if fit else []
        for number, one in zip(fit, inferred, strict=True):
            answers[number] = _finish(batch[number], one)
        return answers

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
            begun, helped = self._begun, self._is_helped()
            began = time.perf_counter()
            maps = self._engine.infer(batch, alone=helped)
            seconds = time.perf_counter() - began
            run.stop()
        # One that another batch of ours has joined took longer because it had no second core.
        if helped and bucket == 1 and self._begun == begun:
            self._help.note(seconds)
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


def _prepare(work: Work) -> NDArray[np.uint8] | Unfit:
    try:
        return work.prepare()
    except Exception as error:  # noqa: BLE001 - whatever it is, its caller gets it
        return _unfit(error, ran=False)


def _finish(work: Work, inferred: Inferred) -> Any:
    try:
        return work.finish(inferred)
    except Exception as error:  # noqa: BLE001 - as above
        return _unfit(error, ran=True)


def _unfit(error: Exception, *, ran: bool) -> Unfit:
    if not isinstance(error, ImageError | CallerLeft | DeadlineExceeded):
        keep_frames(error)  # for the log
    forget_frames(error)  # one of them has the answers of the whole batch
    return Unfit(error, ran=ran)
