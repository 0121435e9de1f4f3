"""The batcher: an async queue whose batches are formed when the engine is free, not by a timer."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from app.frames import forget_frames
from app.inference.engine import EngineError, OutOfMemory
from app.inference.errors import DeadlineExceeded, EngineLost
from app.inference.tally import Tally

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Unfit:
    """In place of an answer: the item itself is at fault.

    Attributes:
        error: What to raise for it.
        ran: Whether the engine ran for it all the same.
    """

    error: Exception
    ran: bool = False


@dataclass(eq=False, slots=True)
class _Entry(Generic[Item, Answer]):
    item: Item
    deadline: float
    answer: asyncio.Future[Answer]


class Batcher(Generic[Item, Answer]):
    """Answers each item once, in batches, first come first served.

    It knows the event loop and nothing else: time is `loop.time()`, and threads, arrays and the
    recovery of a lost engine are other modules' business.

    Args:
        run: The engine: runs the items of a batch, padded to the given bucket, and returns their
            answers in order. `EngineError` fails this batch; any other exception loses the engine;
            `Unfit` instead of an answer fails its item.
        buckets: Batch sizes that are warm; the largest is the first batch limit.
        slots: Batches that may run at once.
        ahead: Full batches that may be formed while all slots are taken.
        tally: Where to count.

    Attributes:
        limit: The most members of a batch, one of the buckets; running out of memory lowers it.
        runs: Runs that went well.
        last_error: Why the last run failed, in one line; None if it went well.
        trouble: Set while there is a `last_error`.
        lost: Done when the engine is lost; its result is the cause, in one line.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item], int], Awaitable[Sequence[Answer | Unfit]]],
        *,
        buckets: Sequence[int],
        slots: int = 1,
        ahead: int = 1,
        tally: Tally | None = None,
    ) -> None:
        self._run = run
        self._buckets = sorted(buckets)
        self._slots = slots
        self._ahead = ahead
        self._tally = tally or Tally()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[_Entry[Item, Answer], None] = {}  # an ordered set
        self._running: dict[asyncio.Task[None], list[_Entry[Item, Answer]]] = {}
        self.limit = self._buckets[-1]
        self.runs = 0
        self.last_error: str | None = None
        self.trouble = asyncio.Event()
        self.lost: asyncio.Future[str] = self._loop.create_future()

    @property
    def depth(self) -> int:
        """The number of items that wait for a batch."""
        return len(self._waiting)

    async def submit(self, item: Item, deadline: float = math.inf) -> Answer:
        """Queue an item and wait for its answer. Cancelling it takes it out of the queue.

        Args:
            item: What the engine takes.
            deadline: The loop's time after which the item must not be run any more.

        Raises:
            DeadlineExceeded: The deadline passed while it was queued; it was never run.
            Exception: What the item itself is at fault for, as its `Unfit` has it.
            EngineError: Its run failed, alone as well.
            EngineLost: The engine hung, died or was closed.
        """
        if self.lost.done():
            raise EngineLost(self.lost.result())
        entry: _Entry[Item, Answer] = _Entry(item, deadline, self._loop.create_future())
        self._waiting[entry] = None
        self._dispatch()
        try:
            return await entry.answer
        finally:
            if entry in self._waiting:  # only a cancelled item leaves while it waits
                del self._waiting[entry]
                self._tally.dropped["cancelled"] += 1
            del entry  # its answer may be an error, which keeps this frame

    def doubt(self, error: EngineError) -> None:
        """Note that the engine may be unwell, until a run goes well."""
        self.last_error = str(error) or type(error).__name__  # its frames hold the batch
        self.trouble.set()

    def close(self, cause: str) -> None:
        """Fail everything that waits or runs, and refuse what comes. Closing again does nothing.

        Args:
            cause: One line, for whoever is failed.
        """
        if self.lost.done():
            return
        self.lost.set_result(cause)
        for task in self._running:
            task.cancel()
        for entry in chain(self._waiting, *self._running.values()):
            self._fail(entry, EngineLost(cause))
        self._waiting.clear()

    def _dispatch(self) -> None:
        # Late-bound: whoever arrives before a slot is free gets into the batch. Only a full batch,
        # which cannot grow any more, is formed ahead, to be prepared while another one runs.
        while len(self._running) < self._slots + self._ahead * (len(self._waiting) >= self.limit):
            if not (batch := self._take()):
                return
            task = self._loop.create_task(self._serve(batch))
            self._running[task] = batch
            task.add_done_callback(self._finish)

    def _take(self) -> list[_Entry[Item, Answer]]:
        batch: list[_Entry[Item, Answer]] = []
        while self._waiting and len(batch) < self.limit:
            entry = next(iter(self._waiting))
            del self._waiting[entry]
            if self._alive(entry):
                batch.append(entry)
        return batch

    def _alive(self, entry: _Entry[Item, Answer]) -> bool:
        if entry.answer.done():
            self._tally.dropped["cancelled"] += 1
            return False
        if entry.deadline <= self._loop.time():
            entry.answer.set_exception(DeadlineExceeded("The deadline passed in the queue."))
            self._tally.dropped["expired"] += 1
            return False
        return True

    async def _serve(self, batch: list[_Entry[Item, Answer]]) -> None:
        try:
            await self._attempt(batch)
        except EngineError as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
            else:
                await self._retry(batch)

    async def _retry(self, batch: list[_Entry[Item, Answer]]) -> None:
        for entry in filter(self._alive, batch):
            self._tally.retried += 1
            try:
                await self._attempt([entry])
            except EngineError as error:
                self._fail(entry, error)

    async def _attempt(self, batch: list[_Entry[Item, Answer]]) -> None:
        bucket = next(size for size in self._buckets if size >= len(batch))
        try:
            answers = await self._run([entry.item for entry in batch], bucket)
        except EngineError as error:
            self.doubt(error)
            if isinstance(error, OutOfMemory):
                self._tally.out_of_memory += 1
                fitting = [size for size in self._buckets if size <= bucket // 2]
                self.limit = min(self.limit, max(fitting, default=self._buckets[0]))
            raise
        if ran := sum(not isinstance(answer, Unfit) or answer.ran for answer in answers):
            self.runs += 1
            self.last_error = None
            self.trouble.clear()
            self._tally.batches[ran] += 1
        for entry, answer in zip(batch, answers, strict=True):
            if entry.answer.done():
                if entry.answer.cancelled() and isinstance(answer, Unfit) and not answer.ran:
                    self._tally.dropped["cancelled"] += 1
            elif isinstance(answer, Unfit):
                if isinstance(answer.error, DeadlineExceeded):
                    self._tally.dropped["expired"] += 1
                entry.answer.set_exception(answer.error)
            else:
                entry.answer.set_result(answer)

    def _finish(self, task: asyncio.Task[None]) -> None:
        batch = self._running.pop(task)
        if task.cancelled() or (error := task.exception()):
            # Outside the known errors: the engine is dead.
            cause = "cancelled" if task.cancelled() else str(error) or type(error).__name__
            for entry in batch:
                self._fail(entry, EngineLost(cause))
            self.close(cause)
            if not task.cancelled():
                forget_frames(error)  # they hold the batch, and the task that holds the error
        self._dispatch()

    def _fail(self, entry: _Entry[Item, Answer], error: Exception) -> None:
        if not entry.answer.done():
            entry.answer.set_exception(error)
            self._tally.dropped["failed"] += 1
