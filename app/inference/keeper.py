"""The keeper: loads the engine, has it probed, and replaces it once if it is lost."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import STARTED
from app.inference.batcher import Batcher, Unfit
from app.inference.cores import available_cores, own_cores
from app.inference.errors import EngineLost
from app.inference.health import State
from app.inference.loading import Loaded
from app.inference.probe import PERIOD_SECONDS, probe_when_idle
from app.inference.rehearsal import Run
from app.inference.runner import Runner, Work
from app.inference.tally import Tally
from app.inference.threads import Threads

RELOAD_SECONDS = 60.0
REHEARSAL_SECONDS = 30.0
_RELAPSE_SECONDS = 600.0

_log = logging.getLogger("polypseg.engine")


class Keeper:
    """Keeps an engine behind a batcher.

    One coroutine, `keep`, is the whole state machine: load, rehearse, serve until the engine is
    lost, and load again, or give up for good.

    Args:
        load: Loads and warms an engine; blocking, called in a thread that may be abandoned.
        image: What to probe with, uint8 `[h, w, 3]` at the input size of the model.
        rehearse: Takes images all the way before anybody's are.
        tally: Where to count.

    Attributes:
        loaded: The engine in use, or the last one; None until one is loaded.
        batcher: The queue to the engine; None while there is none.
        ahead: Room for the images that are decoded for it, or being decoded.
        slot_a_core: Whether the engine's threads are as many as can compute at once.
        settled: Set when the first engine is ready, and on failure.
        failed: Set when there is no engine and there will be none.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        image: NDArray[np.uint8],
        rehearse: Callable[[Loaded, Run], Awaitable[None]],
        tally: Tally,
    ) -> None:
        self._load_engine = load
        self._image = image
        self._rehearse_with = rehearse
        self._tally = tally
        self._state = State.STARTING
        self._reason = "The model is being loaded."
        self.loaded: Loaded | None = None
        self.batcher: Batcher[Work, Any] | None = None
        self.ahead = asyncio.Semaphore(1)
        self.slot_a_core = False
        self._lost_at = -math.inf
        self.settled = asyncio.Event()
        self.failed = asyncio.Event()

    @property
    def state(self) -> State:
        """`STARTING`, `READY`, `DEGRADED` or `FAILED`."""
        return State.DEGRADED if self._doubt else self._state

    @property
    def reason(self) -> str:
        """Why the state is what it is, in one line."""
        return self._doubt or self._reason

    @property
    def rate(self) -> float:
        """Answers per second to expect of the whole path, as measured at start-up."""
        return self.loaded.rate if self.loaded else 1.0

    @property
    def two_batches(self) -> int:
        """The requests that keep every slot busy: one batch runs, one is ready to follow."""
        return (
            2 * self.loaded.measurement.slots * self.batcher.limit
            if self.loaded and self.batcher
            else 2
        )

    @property
    def _doubt(self) -> str | None:
        if self.batcher and self.batcher.lost.done():
            return self.batcher.lost.result()
        if self.batcher and self.batcher.last_error:
            return f"The last run failed: {self.batcher.last_error}"
        return None

    async def keep(self) -> None:
        """Load, serve and replace engines until there is no hope; never raises."""
        try:
            loaded = await self._load()
            while True:
                cause = await self._serve(loaded)
                self._tally.engines_lost += 1
                self._give_up_if_hopeless(loaded, cause)
                self._enter(State.DEGRADED, f"{cause} A new engine is being loaded.")
                loaded = await self._reload()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no engine
            self._enter(State.FAILED, str(error) or type(error).__name__)
            self.failed.set()
            self.settled.set()

    def _give_up_if_hopeless(self, loaded: Loaded, cause: str) -> None:
        now = asyncio.get_running_loop().time()
        if loaded.engine.device == "gpu":
            raise EngineLost(f"{cause} Only a new process gets a GPU in order.")
        if now - self._lost_at < _RELAPSE_SECONDS:
            raise EngineLost(f"{cause} It is the second time within 10 minutes.")
        self._lost_at = now

    async def _reload(self) -> Loaded:
        try:
            return await asyncio.wait_for(self._load(), RELOAD_SECONDS)
        except TimeoutError as error:
            raise EngineLost(
                f"Loading a new engine took longer than {RELOAD_SECONDS:.0f} s."
            ) from error

    async def _load(self) -> Loaded:
        thread = Threads(1, "load")
        try:
            return await thread.submit(self._load_engine)
        finally:
            thread.close()

    async def _serve(self, loaded: Loaded) -> str:
        """Serve until the engine is lost; return the cause."""
        how = loaded.measurement
        self.slot_a_core = loaded.engine.device == "cpu" and how.slots >= available_cores()
        cores = own_cores() if self.slot_a_core else ()
        runner = Runner(loaded.engine, how.slots, how.p99, cores, how.lone, how.unhelped)
        with closing(runner):
            try:
                await self._rehearse(runner, loaded)
            except EngineLost as error:
                return str(error)
            return await self._serve_with(runner, loaded)

    async def _rehearse(self, runner: Runner, loaded: Loaded) -> None:
        async def run(work: Work) -> Any:
            (answer,) = await runner([work], loaded.measurement.buckets[0])
            if isinstance(answer, Unfit):
                raise answer.error
            return answer

        try:
            async with asyncio.timeout(REHEARSAL_SECONDS):
                await self._rehearse_with(loaded, run)
        except TimeoutError as error:
            raise EngineLost(f"A rehearsal took longer than {REHEARSAL_SECONDS:g} s.") from error

    async def _serve_with(self, runner: Runner, loaded: Loaded) -> str:
        how = loaded.measurement
        batcher = Batcher(
            runner,
            buckets=how.buckets,
            slots=how.slots,
            # A thread that has an image waiting for it need not wait for the event loop.
            ahead=how.slots if self.slot_a_core else 1,
            tally=self._tally,
        )
        period = PERIOD_SECONDS[loaded.engine.name]
        probe = asyncio.create_task(probe_when_idle(batcher, self._image, how.probability, period))
        self.loaded, self.batcher = loaded, batcher
        self.ahead = asyncio.Semaphore(self.two_batches + available_cores())
        self._enter(
            State.READY,
            f"{loaded.reason}; {how.summary}",
            engine=loaded.engine.name,
            device=loaded.engine.device,
            batch_limit=batcher.limit,
            seconds=round(time.monotonic() - STARTED, 2),
        )
        self.settled.set()
        try:
            await asyncio.wait((probe, batcher.lost), return_when=asyncio.FIRST_COMPLETED)
            if not batcher.lost.done():
                await probe  # it only ends by itself if it is broken
            return await batcher.lost
        finally:
            batcher.close("The engine was closed.")
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
            self.batcher = None

    def _enter(self, state: State, reason: str, **fields: object) -> None:
        self._state, self._reason = state, reason
        level = logging.INFO if state is State.READY else logging.ERROR
        _log.log(level, state.value, extra={"fields": {"reason": reason, **fields}})
