"""How batches are formed, and what becomes of each request, in virtual time."""

import asyncio
import math

import pytest

from app.inference.batcher import Batcher
from app.inference.engine import EngineError, OutOfMemory
from app.inference.errors import DeadlineExceeded, EngineLost
from app.inference.tally import Tally
from tests.inference.clock import run, settle
from tests.inference.rig import Rig, gather


class House:
    """A batcher with its fake engine."""

    def __init__(self, *buckets: int, slots: int = 1) -> None:
        self.rig = Rig()
        self.tally = Tally()
        self.batcher: Batcher[int, int] = Batcher(
            self.rig, buckets=buckets, slots=slots, tally=self.tally
        )

    def submit(self, item: int, deadline: float = math.inf) -> asyncio.Task[int]:
        return asyncio.create_task(self.batcher.submit(item, deadline))


def test_lone_item_runs_at_once() -> None:
    async def main() -> float:
        house = House(1, 4)
        task = house.submit(3)
        await settle()
        house.rig.running[0].succeed()
        assert await task == 9
        assert house.rig.runs[0].bucket == 1
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.0


def test_batch_is_formed_when_the_slot_frees_and_rounds_up_to_a_bucket() -> None:
    async def main() -> None:
        house = House(1, 4, 8)
        tasks = [house.submit(0)]
        await settle()
        tasks += [house.submit(n) for n in range(1, 4)]
        await asyncio.sleep(5)
        tasks += [house.submit(n) for n in range(4, 6)]
        await settle()
        assert house.rig.sizes == [1]
        assert house.batcher.depth == 5
        house.rig.running[0].succeed()
        await settle()
        assert house.rig.runs[1].items == [1, 2, 3, 4, 5]
        assert house.rig.runs[1].bucket == 8
        house.rig.running[0].succeed()
        assert await asyncio.gather(*tasks) == [0, 1, 4, 9, 16, 25]
        assert house.tally.batches == {1: 1, 5: 1}

    run(main())


def test_a_full_batch_is_prepared_while_another_runs_and_no_other() -> None:
    async def main() -> None:
        house = House(1, 4)
        tasks = [house.submit(0)]
        await settle()
        tasks += [house.submit(n) for n in range(1, 4)]
        await settle()
        assert house.rig.sizes == [1]  # three may still become four
        tasks += [house.submit(n) for n in range(4, 10)]
        await settle()
        assert house.rig.sizes == [1, 4]  # a second one ahead would only wait
        for _ in range(3):
            house.rig.running[0].succeed()
            await settle()
        assert house.rig.sizes == [1, 4, 4, 1]
        house.rig.running[0].succeed()
        await asyncio.gather(*tasks)

    run(main())


def test_every_slot_is_used() -> None:
    async def main() -> None:
        house = House(1, slots=3)
        tasks = [house.submit(n) for n in range(6)]
        await settle()
        assert [r.items for r in house.rig.running] == [[0], [1], [2], [3]]
        house.rig.running[1].succeed()
        await settle()
        assert [r.items for r in house.rig.running] == [[0], [2], [3], [4]]
        for _ in range(5):
            house.rig.running[0].succeed()
            await settle()
        assert await asyncio.gather(*tasks) == [n * n for n in range(6)]

    run(main())


def test_cancelled_item_leaves_the_queue_at_once_and_never_runs() -> None:
    async def main() -> None:
        house = House(1, 8)
        first = house.submit(0)
        await settle()
        tasks = [house.submit(n) for n in range(1, 6)]
        await settle()
        for task in tasks[:3]:
            task.cancel()
        await settle()
        assert house.batcher.depth == 2
        house.rig.running[0].succeed()
        await first
        await settle()
        assert house.rig.runs[1].items == [4, 5]
        assert house.tally.dropped == {"cancelled": 3}
        house.rig.running[0].succeed()
        assert await asyncio.gather(*tasks[3:]) == [16, 25]

    run(main())


def test_item_cancelled_in_the_moment_the_batch_is_formed_never_runs() -> None:
    async def main() -> None:
        house = House(1, 8)
        first = house.submit(0)
        await settle()
        second, third = house.submit(1), house.submit(2)
        await settle()
        house.rig.running[0].succeed()
        second.cancel()
        await settle()
        assert house.rig.runs[1].items == [2]
        assert house.tally.dropped == {"cancelled": 1}
        house.rig.running[0].succeed()
        assert await gather((first, third)) == [0, 4]

    run(main())


def test_cancelling_a_member_of_a_run_leaves_its_neighbours_alone() -> None:
    async def main() -> None:
        house = House(2)
        first, second = house.submit(2), house.submit(3)
        await settle()
        third = house.submit(4)
        await settle()
        assert [r.items for r in house.rig.running] == [[2], [3, 4]]
        second.cancel()
        for _ in range(2):
            house.rig.running[0].succeed()
            await settle()
        assert await gather((first, third)) == [4, 16]
        assert house.tally.dropped == {}

    run(main())


def test_expired_item_is_answered_when_the_batch_is_formed_and_never_runs() -> None:
    async def main() -> None:
        house = House(1, 8)
        first = house.submit(0)
        await settle()
        now = asyncio.get_running_loop().time()
        late, exact, fine = house.submit(1, now + 1), house.submit(2, now + 2), house.submit(3, 9)
        await asyncio.sleep(2)
        house.rig.running[0].succeed()
        await settle()
        assert house.rig.runs[1].items == [3]
        house.rig.running[0].succeed()
        assert await gather((first, fine)) == [0, 9]
        for task in (late, exact):
            with pytest.raises(DeadlineExceeded):
                await task
        assert house.tally.dropped == {"expired": 2}

    run(main())


def test_a_queue_of_the_dead_frees_the_slot_for_the_living() -> None:
    async def main() -> None:
        house = House(1)
        deadline = asyncio.get_running_loop().time()
        dead = [house.submit(n, deadline) for n in range(5)]
        await settle()
        assert house.rig.runs == []
        alive = house.submit(7)
        await settle()
        house.rig.running[0].succeed()
        assert await alive == 49
        results = await asyncio.gather(*dead, return_exceptions=True)
        assert {type(result) for result in results} == {DeadlineExceeded}

    run(main())


def test_members_of_a_failed_batch_run_alone_once() -> None:
    async def main() -> None:
        house = House(1, 4)
        first = house.submit(0)
        await settle()
        tasks = [house.submit(n) for n in range(1, 4)]
        await settle()
        house.rig.running[0].succeed()
        await settle()
        house.rig.running[0].fail(EngineError("poison"))
        await settle()
        assert house.batcher.trouble.is_set()
        for n in range(1, 4):
            assert [r.items for r in house.rig.running] == [[n]]
            if n == 2:
                house.rig.running[0].fail(EngineError("poison"))
            else:
                house.rig.running[0].succeed()
            await settle()
        assert house.rig.running == []
        assert await gather((first, tasks[0], tasks[2])) == [0, 1, 9]
        with pytest.raises(EngineError, match="poison"):
            await tasks[1]
        assert house.tally.dropped == {"failed": 1}
        assert house.tally.retried == 3
        assert not house.batcher.trouble.is_set()
        assert house.batcher.last_error is None

    run(main())


def test_unfit_item_fails_alone_and_says_nothing_of_the_engine() -> None:
    async def main() -> None:
        house = House(1, 4)
        bad_luck = house.submit(0)
        await settle()
        house.rig.running[0].fail(EngineError("bad luck"))
        with pytest.raises(EngineError):
            await bad_luck
        unfit = house.submit(1)
        await settle()
        tasks = [house.submit(item) for item in (2, 3, 4)]
        await settle()
        house.rig.running[0].succeed(unfit=[1])
        with pytest.raises(ValueError, match="1"):
            await unfit
        assert house.batcher.trouble.is_set()
        assert (house.batcher.runs, house.tally.batches) == (0, {})
        await settle()
        house.rig.running[0].succeed(unfit=[3])
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert (results[0], results[2]) == (4, 16)
        assert isinstance(results[1], ValueError)
        assert not house.batcher.trouble.is_set()
        assert (house.batcher.runs, house.tally.batches) == (1, {2: 1})
        assert (house.tally.retried, house.tally.dropped) == (0, {"failed": 1})
        left = house.submit(5)
        await settle()
        left.cancel()
        await settle()
        house.rig.running[0].succeed(unfit=[5])
        await settle()
        assert house.tally.dropped == {"failed": 1, "cancelled": 1}

    run(main())


def test_lone_item_that_fails_is_not_run_again() -> None:
    async def main() -> None:
        house = House(1)
        task = house.submit(1)
        await settle()
        house.rig.running[0].fail(EngineError("no"))
        with pytest.raises(EngineError, match="no"):
            await task
        assert len(house.rig.runs) == 1
        assert house.batcher.last_error == "no"

    run(main())


def test_the_dead_are_not_run_again() -> None:
    async def main() -> None:
        house = House(4)
        first = house.submit(0)
        await settle()
        gone, late, fine = house.submit(1), house.submit(2, 5.0), house.submit(3)
        await settle()
        house.rig.running[0].succeed()
        await settle()
        assert house.rig.running[0].items == [1, 2, 3]
        await asyncio.sleep(6)
        gone.cancel()
        house.rig.running[0].fail(EngineError("no"))
        await settle()
        assert house.rig.running[0].items == [3]
        house.rig.running[0].succeed()
        assert await gather((first, fine)) == [0, 9]
        with pytest.raises(DeadlineExceeded):
            await late

    run(main())


def test_out_of_memory_lowers_the_limit_to_a_bucket_and_loses_nobody() -> None:
    async def main() -> None:
        house = House(1, 4, 16)
        tasks = [house.submit(0)]
        await settle()
        tasks += [house.submit(n) for n in range(1, 10)]
        await settle()
        house.rig.running[0].succeed()
        await settle()
        assert house.rig.running[0].bucket == 16
        house.rig.running[0].fail(OutOfMemory("full"))
        await settle()
        assert house.batcher.limit == 4
        tasks += [house.submit(n) for n in range(10, 16)]
        await settle()
        while house.rig.running:
            house.rig.running[0].succeed()
            await settle()
        assert await asyncio.gather(*tasks) == [n * n for n in range(16)]
        assert max(house.rig.sizes[2:]) == 4
        assert house.tally.out_of_memory == 1

    run(main())


def test_two_batches_that_run_out_of_memory_together_lower_the_limit_once() -> None:
    async def main() -> None:
        house = House(1, 4, 16, slots=1)
        tasks = [house.submit(n) for n in range(33)]
        await settle()
        assert house.rig.sizes == [1, 16]
        house.rig.running[0].succeed()
        await settle()
        assert house.rig.sizes == [1, 16, 16]
        for run_under_way in list(house.rig.running):
            run_under_way.fail(OutOfMemory("full"))
        await settle()
        assert house.batcher.limit == 4
        while house.rig.running:
            house.rig.running[0].succeed()
            await settle()
        assert await asyncio.gather(*tasks) == [n * n for n in range(33)]

    run(main())


def test_large_batch_that_fails_late_does_not_raise_the_limit_again() -> None:
    async def main() -> None:
        house = House(1, 4, 16, slots=2)
        tasks = [house.submit(n) for n in range(2)]
        await settle()
        for size in (3, 12):
            tasks += [house.submit(n) for n in range(len(tasks), len(tasks) + size)]
            await settle()
            house.rig.running[0].succeed()
            await settle()
        small, large = house.rig.running
        assert (small.bucket, large.bucket) == (4, 16)
        small.fail(OutOfMemory("full"))
        await settle()
        assert house.batcher.limit == 1
        large.fail(OutOfMemory("full"))
        await settle()
        assert house.batcher.limit == 1
        while house.rig.running:
            house.rig.running[0].succeed()
            await settle()
        assert await gather(tasks) == [n * n for n in range(17)]

    run(main())


def test_smallest_bucket_stays_when_even_that_runs_out_of_memory() -> None:
    async def main() -> None:
        house = House(1, 4)
        task = house.submit(1)
        await settle()
        house.rig.running[0].fail(OutOfMemory("full"))
        with pytest.raises(OutOfMemory):
            await task
        assert house.batcher.limit == 1
        again = house.submit(2)
        await settle()
        house.rig.running[0].succeed()
        assert await again == 4

    run(main())


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (RuntimeError("CUDA_ERROR_LAUNCH_FAILED"), "CUDA_ERROR_LAUNCH_FAILED"),
        (KeyError(), "KeyError"),
    ],
)
def test_unknown_error_loses_the_engine_and_fails_all_in_the_house(
    error: Exception, cause: str
) -> None:
    async def main() -> None:
        house = House(1, slots=2)
        tasks = [house.submit(n) for n in range(5)]
        await settle()
        house.rig.running[1].fail(error)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [EngineLost] * 5
        assert {str(result) for result in results} == {cause}
        assert await house.batcher.lost == cause
        assert house.tally.dropped == {"failed": 5}
        assert house.rig.running == []  # nobody waits for the other slots any more
        with pytest.raises(EngineLost, match=cause):
            await house.batcher.submit(9)

    run(main())


def test_wrong_number_of_answers_loses_the_engine() -> None:
    async def main() -> None:
        async def forgetful(items: object, bucket: int) -> list[int]:  # noqa: ARG001
            return []

        batcher: Batcher[int, int] = Batcher(forgetful, buckets=[1])
        with pytest.raises(EngineLost):
            await batcher.submit(1)

    run(main())


def test_close_fails_what_waits_and_what_runs_and_is_idempotent() -> None:
    async def main() -> None:
        house = House(1)
        tasks = [house.submit(n) for n in range(4)]
        await settle()
        house.batcher.close("bye")
        house.batcher.close("again")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["bye"] * 4
        assert await house.batcher.lost == "bye"
        await settle()
        assert house.batcher.depth == 0
        assert len(house.rig.runs) == 2

    run(main())


def test_a_run_that_is_cancelled_from_outside_leaves_nobody_waiting() -> None:
    async def main() -> None:
        house = House(1)
        task = house.submit(1)
        await settle()
        house.rig.running[0].outcome.cancel()
        with pytest.raises(EngineLost):
            await task

    run(main())
