"""Random schedules of arrivals, cancellations, deadlines and faults, on a virtual clock.

`POLYPSEG_SCHEDULES` sets how many are tried, `POLYPSEG_SEED` repeats a run.
"""

import asyncio
import math
import os
import random
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.inference.batcher import Batcher
from app.inference.engine import EngineError, OutOfMemory
from app.inference.errors import DeadlineExceeded, EngineLost
from app.inference.tally import Tally
from tests.inference.clock import VirtualLoop, settle
from tests.inference.rig import Rig, Run

_AT_ONCE = 500
_SCHEDULES = int(os.environ.get("POLYPSEG_SCHEDULES", "500"))
_SEED = int(os.environ.get("POLYPSEG_SEED") or random.SystemRandom().randrange(2**32))

_pick = st.integers(min_value=0, max_value=2**16)


@dataclass(eq=False)
class Request:
    """What the test knows of a request."""

    item: int
    deadline: float
    task: asyncio.Task[int]
    cancelled: bool = False
    begun: bool = False
    answered: int = 0  # runs that went well with it as a member
    failed_alone: bool = False
    unfit: bool = False
    lost: bool = False
    expired: bool = False


class Schedule(RuleBasedStateMachine):
    """Plays the clients and the engine, and keeps the books independently of the batcher."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.requests: list[Request] = []
        self.started = 0  # runs that were looked at
        self.latest = -1  # the last item whose first run has begun
        self.tally = Tally()

    def go(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            await step()
            await settle()

        self.loop.run_until_complete(main())
        self._look_at_new_runs()
        self._look_at_finished_requests()

    @initialize(
        buckets=st.sampled_from([(1,), (1, 2), (4,), (1, 4, 16), (1, 2, 4, 8)]),
        slots=st.integers(1, 3),
    )
    def build(self, buckets: tuple[int, ...], slots: int) -> None:
        self.buckets, self.slots = buckets, slots
        self._new_engine()

    def _new_engine(self) -> None:
        async def make() -> None:
            self.rig = Rig()
            self.started = 0
            self.limit = self.buckets[-1]
            self.batcher: Batcher[int, int] = Batcher(
                self.rig, buckets=self.buckets, slots=self.slots, tally=self.tally
            )

        self.loop.run_until_complete(make())

    # What may happen

    @rule(count=st.integers(1, 6), patience=st.sampled_from([math.inf, math.inf, 0.0, 0.5, 3.0]))
    def arrive(self, count: int, patience: float) -> None:
        async def step() -> None:
            for _ in range(count):
                deadline = self.loop.time() + patience
                item = len(self.requests)
                task = self.loop.create_task(self.batcher.submit(item, deadline))
                self.requests.append(Request(item, deadline, task))

        self.go(step)

    @rule(which=_pick, count=st.integers(1, 4), with_answer=st.booleans())
    def leave(self, which: int, count: int, with_answer: bool) -> None:
        """Some clients hang up; maybe in the very moment in which a run ends."""

        async def step() -> None:
            if with_answer and self.rig.running:
                self._succeed(self.rig.running[which % len(self.rig.running)])
            pending = [request for request in self.requests if not request.task.done()]
            for request in pending[which % (len(pending) or 1) :][:count]:
                request.cancelled = True
                request.task.cancel()

        self.go(step)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        async def step() -> None:
            await asyncio.sleep(seconds)

        self.go(step)

    @precondition(lambda self: self.rig.running)
    @rule(which=_pick)
    def succeed(self, which: int) -> None:
        async def step() -> None:
            self._succeed(self.rig.running[which % len(self.rig.running)])

        self.go(step)

    @precondition(lambda self: self.rig.running)
    @rule(which=_pick, members=st.sets(st.integers(0, 15), min_size=1))
    def reject(self, which: int, members: set[int]) -> None:
        """Some members of a run are at fault themselves; their neighbours are answered."""

        async def step() -> None:
            run = self.rig.running[which % len(self.rig.running)]
            unfit = {run.items[member % len(run.items)] for member in members}
            for item in unfit:
                self.requests[item].unfit = True
            self._succeed(run, unfit)

        self.go(step)

    @precondition(lambda self: self.rig.running)
    @rule(which=_pick, memory=st.booleans())
    def fail(self, which: int, memory: bool) -> None:
        async def step() -> None:
            run = self.rig.running[which % len(self.rig.running)]
            if len(run.items) == 1:
                self.requests[run.items[0]].failed_alone = True
            if memory:
                smaller = [size for size in self.buckets if size <= run.bucket / 2]
                self.limit = min(self.limit, max(smaller, default=self.buckets[0]))
            run.fail(OutOfMemory("no room") if memory else EngineError("bad luck"))

        self.go(step)

    @precondition(lambda self: self.rig.running)
    @rule(which=_pick)
    def die(self, which: int) -> None:
        async def step() -> None:
            for request in self.requests:
                request.lost = request.lost or not request.task.done()
            self.rig.running[which % len(self.rig.running)].fail(RuntimeError("dead"))

        self.go(step)
        assert all(request.task.done() for request in self.requests)
        self._new_engine()

    def _succeed(self, run: Run, unfit: Collection[int] = ()) -> None:
        for item in run.items:
            self.requests[item].answered += 1
        run.succeed(unfit=unfit)

    # What must hold

    def _look_at_new_runs(self) -> None:
        for run in self.rig.runs[self.started :]:
            assert 1 <= len(run.items) <= run.bucket
            assert run.bucket == min(size for size in self.buckets if size >= len(run.items))
            for item in run.items:
                request = self.requests[item]
                assert request.deadline > self.loop.time(), "ran after its deadline"
                assert not request.cancelled, "ran after its client had left"
                assert not request.answered, "ran after its answer"
                assert not request.failed_alone, "ran again after it had failed alone"
                if request.begun:
                    assert len(run.items) == 1, "ran again, and not alone"
                else:
                    assert item > self.latest, "overtook an earlier one"
                    request.begun, self.latest = True, item
        self.started = len(self.rig.runs)

    def _look_at_finished_requests(self) -> None:
        for request in self.requests:
            task = request.task
            if not task.done():
                assert not request.cancelled
                assert not request.answered, "was run and got no answer"
            elif task.cancelled():
                assert request.cancelled
            elif task.exception() is None:
                assert task.result() == request.item**2
                assert request.answered == 1
            elif isinstance(task.exception(), DeadlineExceeded):
                request.expired = True
                assert request.deadline <= self.loop.time()
                assert request.answered == 0
            elif isinstance(task.exception(), EngineError):
                assert request.failed_alone
            elif isinstance(error := task.exception(), ValueError):
                assert error.args == (request.item,)
                assert request.unfit
                assert request.answered == 1
            else:
                assert isinstance(task.exception(), EngineLost)
                assert request.lost

    @invariant()
    def no_slot_is_idle_while_something_waits(self) -> None:
        if hasattr(self, "rig"):
            assert len(self.rig.running) >= self.slots or self.batcher.depth == 0
            assert len(self.rig.running) <= self.slots + 1

    @invariant()
    def limit_follows_the_memory(self) -> None:
        if hasattr(self, "rig"):
            assert self.batcher.limit == self.limit

    @invariant()
    def the_books_agree(self) -> None:
        done = [request.task for request in self.requests if request.task.done()]
        failed = [t for t in done if not t.cancelled() and t.exception() is not None]
        expired = [t for t in failed if isinstance(t.exception(), DeadlineExceeded)]
        unfit = [t for t in failed if isinstance(t.exception(), ValueError)]
        assert self.tally.dropped["expired"] == len(expired)
        assert self.tally.dropped["failed"] >= len(failed) - len(expired) - len(unfit)
        assert self.tally.dropped["cancelled"] <= sum(t.cancelled() for t in done)

    def teardown(self) -> None:
        """Once the engine is well again, nobody who is healthy is left without an answer."""

        async def finish() -> None:
            self._succeed(self.rig.running[0])

        while hasattr(self, "rig") and self.rig.running:
            self.go(finish)
        for request in self.requests:
            assert request.task.done(), "nobody answered"
            faults = (
                request.cancelled,
                request.failed_alone,
                request.unfit,
                request.lost,
                request.expired,
            )
            assert any(faults) or request.task.result() == request.item**2
        self.loop.close()


def test_every_healthy_request_is_answered_once_and_correctly() -> None:
    print(f"POLYPSEG_SEED={_SEED}")  # noqa: T201 - shown when the test fails
    # Hypothesis remembers all that it has tried: the more at once, the slower.
    for tried in range(0, _SCHEDULES, _AT_ONCE):
        run_state_machine_as_test(
            seed(_SEED + tried)(Schedule),
            settings=settings(
                max_examples=min(_AT_ONCE, _SCHEDULES - tried),
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
