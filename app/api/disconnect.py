"""Stops work for a caller who has hung up."""

import asyncio
from types import TracebackType
from typing import Self, cast

from starlette.requests import ClientDisconnect
from starlette.types import Receive


class CancelOnDisconnect:
    """Cancels the block when the caller hangs up, and raises `ClientDisconnect` in its place.

    The body must have been read: from then on the only message of an ASGI server is the
    disconnect. Built like `asyncio.timeout`, so that a cancellation from outside stays one. The
    watch begins a turn of the loop later: what the block itself begins comes first.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> Self:
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._cancelling = self._task.cancelling()
        self._watch: asyncio.Handle | asyncio.Task[None]
        self._watch = asyncio.get_running_loop().call_soon(self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.cancel()
        task = self._task
        # The cancelled one keeps its exception, and that its frames, which know this object.
        # Only the garbage collector could free such a circle, and it stops the whole service.
        del self._watch, self._task
        if self._gone and task.uncancel() <= self._cancelling and kind is not None:
            raise ClientDisconnect from error

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
