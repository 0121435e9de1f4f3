"""An event loop whose clock jumps to the next timer: hours of waiting take no time at all."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Jump(selectors.SelectSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Nothing is left that could ever happen: the code under test hangs.")
        self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs real coroutines; only time is made up. Starts at 0."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    @property
    def idle(self) -> bool:
        """Whether nothing can happen before time goes on."""
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        return not ready and not (timers and timers[0].when() <= self.now)


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def settle() -> None:
    """Let everything happen that can happen now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    for _ in range(1000):
        await asyncio.sleep(0)
        if loop.idle:
            return
    raise RuntimeError("It does not come to rest: the code under test spins.")
