"""The predictor: everything that the HTTP layer needs of the model, and nothing of HTTP."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from app.imaging import phantom
from app.inference.admission import RETRY_SECONDS, Admission, Place
from app.inference.batcher import Batcher
from app.inference.bundle import Bundle
from app.inference.cores import available_cores
from app.inference.errors import (
    DeadlineExceeded,
    Draining,
    EngineLost,
    NotReady,
    QueueFull,
    Refused,
    StartError,
)
from app.inference.health import Health, State
from app.inference.keeper import Keeper
from app.inference.loading import Loaded, load
from app.inference.picture import Finished, Picture
from app.inference.prediction import Prediction
from app.inference.rehearsal import Run, rehearse
from app.inference.runner import Prepared, Work
from app.inference.selection import Choice, choose_engine
from app.inference.tally import Tally
from app.inference.threads import Threads
from app.inference.throughput import Throughput

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the house, from the headers of a request to its answer.

    Attributes:
        deadline: The loop's time at which the caller's patience ends.
        place: Outside the line at first.
    """

    deadline: float
    place: Place

    def line_up(self) -> None:
        """Join the line; what is to be predicted has arrived.

        Raises:
            QueueFull: There is more to do than can be done in time, or in the caller's time.
        """
        self.place.line_up(self.deadline - asyncio.get_running_loop().time())


class Predictor:
    """Serves one bundle.

    Args:
        bundle: A verified bundle.
        choice: The engine; None chooses by rule.
        max_batch: The largest batch to try; None leaves it to the device.
        deadline: Seconds that a request may take which names no patience of its own.
        max_pixels: Images with more pixels are refused.
        load: Replaces the loading of the engine.

    Attributes:
        bundle: The bundle.
        tally: What became of requests and batches.
    """

    def __init__(
        self,
        bundle: Bundle,
        choice: Choice | None = None,
        *,
        max_batch: int | None = None,
        deadline: float = 10.0,
        max_pixels: int | None = None,
        load: Callable[[Bundle, Choice, int | None], Loaded] = load,
    ) -> None:
        self.bundle = bundle
        self.tally = Tally()
        self._deadline = deadline
        self._max_pixels = max_pixels
        bring_up = partial(load, bundle, choice or choose_engine(bundle), max_batch)
        image, _ = phantom(bundle.manifest.input_height, bundle.manifest.input_width)
        self._keeper = Keeper(bring_up, image, self._rehearse, self.tally)
        self._pixels = Threads(available_cores(), "pixels")
        self._throughput = Throughput(lambda: self._keeper.rate, lambda: self._keeper.two_batches)
        self._admission = Admission(
            lambda: self._throughput.rate, lambda: self._keeper.two_batches, deadline, self.tally
        )
        self._keeping: asyncio.Task[None] | None = None
        self._retired = False

    # Life

    def start(self) -> None:
        """Begin to load and warm the engine, in a thread; return at once."""
        self._keeping = asyncio.get_running_loop().create_task(self._keeper.keep())

    async def wait_ready(self) -> None:
        """Wait for the first engine.

        Raises:
            StartError: There will be none.
        """
        await self._keeper.settled.wait()
        if self._keeper.failed.is_set():
            raise StartError(self._keeper.reason)

    async def wait_failed(self) -> str:
        """Wait until there is no engine and there will be none; return the reason, in one line.

        The process ought to end then, and its supervisor to start it again.
        """
        await self._keeper.failed.wait()
        return self._keeper.reason

    async def _rehearse(self, loaded: Loaded, run: Run) -> None:
        await rehearse(
            loaded.frame,
            self.bundle.manifest,
            run,
            at_once=available_cores() + 1,  # threads that compute, and one that prepares ahead
            pixels=None if self._keeper.slot_a_core else self._pixels,
        )

    def retire(self) -> None:
        """Show that the service is about to stop; go on serving until `drain`."""
        self._retired = True

    async def drain(self, grace: float) -> int:
        """Refuse what comes, and wait until everything that was admitted is answered.

        Args:
            grace: Seconds to wait at most.

        Returns:
            How many requests are still unanswered.
        """
        self._retired = True
        return await self._admission.drain(grace)

    async def close(self) -> None:
        """Let go of the engine and the threads; what is left in the queue fails. Does not wait."""
        self._retired = self._admission.closed = True
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._pixels.close()

    # Requests

    def fullness(self) -> QueueFull | None:
        """Say why a request has to go of which nothing is known but that it wants a prediction.

        Returns:
            There is no room, however long the caller would wait; None if there is.
        """
        # A service that stops, or has no engine, is not full: `admit` says what it is.
        if self._admission.closed or self._keeper.batcher is None:
            return None
        return self._admission.refusal(math.inf)

    @asynccontextmanager
    async def admit(self, patience: float | None = None) -> AsyncIterator[Slot]:
        """Hold a place from the headers of a request to the last byte of its answer.

        It counts from `Slot.line_up` on, which must be called before there is work.

        Args:
            patience: Seconds that the caller waits for the answer; None means the default.

        Raises:
            Draining: The service is about to stop.
            NotReady: There is no engine.
            QueueFull: There is more to do than can be done in time, or in the caller's time.
        """
        if not self._admission.closed:
            self._require_engine(admitted=False)  # no use in waiting for one that is not there
        patience = self._deadline if patience is None else patience
        with self._admission.enter(patience) as place:
            yield Slot(asyncio.get_running_loop().time() + patience, place)

    async def predict(
        self,
        data: bytes,
        render: Callable[[Prediction], Result],
        *,
        threshold: float | None = None,
        deadline: float = math.inf,
    ) -> Finished[Result]:
        """Decode an image, run the model on it and render what it says.

        Cancelling it takes the image out of the queue.

        Args:
            data: An encoded image.
            render: What makes the answer of a prediction; it is called in a thread.
            threshold: In (0, 1); None means the operating threshold of the manifest.
            deadline: The loop's time after which no step must be begun for it any more, but for a
                run that the image is prepared for.

        Returns:
            What `render` made of the prediction, and what else is known of the image.

        Raises:
            ImageError: The image cannot be decoded or is refused.
            DeadlineExceeded: The deadline passed in the queue; the model was not run.
            NotReady: The engine was lost.
            EngineError: The run failed.
        """
        manifest = self.bundle.manifest
        threshold = manifest.threshold if threshold is None else threshold
        until = time.monotonic() + (deadline - asyncio.get_running_loop().time())
        picture = Picture(data, manifest, render, threshold, self._max_pixels, until=until)
        with self._throughput.work():
            try:
                if self._keeper.slot_a_core:
                    answer: Finished[Result] = await self._infer(picture, deadline)
                    return answer
                return await self._divide(picture, deadline)
            except asyncio.CancelledError:
                picture.left = True
                raise

    @property
    def health(self) -> Health:
        """The state, the queue and the engine, now."""
        state, reason = self._keeper.state, self._keeper.reason
        loaded, batcher = self._keeper.loaded, self._keeper.batcher
        if self._retired and state is not State.FAILED:
            state, reason = State.DRAINING, "The service is about to stop."
        return Health(
            state=state,
            reason=reason,
            engine=loaded.engine.name if loaded else None,
            device=loaded.engine.device if loaded else None,
            model_name=self.bundle.manifest.name,
            model_version=self.bundle.manifest.version,
            model_sha256=self.bundle.sha256,
            queue_depth=self._admission.admitted,
            queue_limit=self._admission.limit if loaded else 0,
            batch_limit=batcher.limit if batcher else None,
            slots=loaded.measurement.slots if loaded else None,
            threads=loaded.measurement.threads if loaded else None,
        )

    @asynccontextmanager
    async def _turn(self, deadline: float) -> AsyncIterator[None]:
        """Wait until the engine will soon take one more image; until then it stays encoded.

        To decode is work, too: it would be done in vain for who leaves or comes too late.
        """
        ahead = self._keeper.ahead
        try:
            await ahead.acquire()
        except asyncio.CancelledError:
            self.tally.dropped["cancelled"] += 1
            raise
        try:
            if deadline <= asyncio.get_running_loop().time():
                self.tally.dropped["expired"] += 1
                raise DeadlineExceeded("The deadline passed in the queue.")
            self._require_engine()
            yield
        finally:
            ahead.release()

    async def _divide(self, picture: Picture[Result], deadline: float) -> Finished[Result]:
        """Do what is before and after the engine beside it, with all cores."""
        async with self._turn(deadline):
            try:
                pixels = await self._pixels.submit(picture.prepare)
            except asyncio.CancelledError:
                self.tally.dropped["cancelled"] += 1
                raise
            except DeadlineExceeded:
                self.tally.dropped["expired"] += 1
                raise
            prepared = Prepared(pixels)
            del pixels
            finish = partial(picture.finish, await self._infer(prepared, deadline))
            del prepared
        answered = self._pixels.submit(finish)
        del finish  # the thread has it, and lets go of what the engine said
        return await answered

    async def _infer(self, work: Work, deadline: float) -> Any:
        try:
            return await self._require_engine().submit(work, deadline)
        except EngineLost as error:
            raise self._without_engine(str(error)) from error

    def _require_engine(self, *, admitted: bool = True) -> Batcher[Work, Any]:
        batcher = self._keeper.batcher
        if batcher is None or batcher.lost.done():
            self.tally.dropped["failed"] += admitted
            raise self._without_engine(self._keeper.reason)
        return batcher

    def _without_engine(self, cause: str) -> Refused:
        if self._admission.closed:
            return Draining("The service had to stop first.", RETRY_SECONDS)
        return NotReady(cause, RETRY_SECONDS)
