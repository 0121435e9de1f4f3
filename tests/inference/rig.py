"""A fake engine for the batcher: each run waits until the test says how it ends."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field

from app.inference.batcher import Unfit


@dataclass(eq=False)
class Run:
    """A run under way."""

    items: list[int]
    bucket: int
    unfit: set[int] = field(default_factory=set)
    outcome: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def succeed(self, *, unfit: Iterable[int] = ()) -> None:
        self.unfit.update(unfit)
        self.outcome.set_result(None)

    def fail(self, error: Exception) -> None:
        self.outcome.set_exception(error)


class Rig:
    """The answer to item `n` is `n * n`, or `ValueError(n)` if it is unfit."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.running: list[Run] = []

    async def __call__(self, items: Sequence[int], bucket: int) -> list[int | Unfit]:
        run = Run(list(items), bucket)
        self.runs.append(run)
        self.running.append(run)
        try:
            await run.outcome
        finally:
            self.running.remove(run)
        return [Unfit(ValueError(item)) if item in run.unfit else item * item for item in items]

    @property
    def sizes(self) -> list[int]:
        """The members of every run so far."""
        return [len(run.items) for run in self.runs]


async def gather(tasks: Iterable[Awaitable[int]]) -> list[int]:
    """Await all and return what they gave."""
    return list(await asyncio.gather(*tasks))
