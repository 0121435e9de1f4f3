"""Work stops when the caller hangs up, and only then."""

import asyncio
from asyncio import Event

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.api.disconnect import CancelOnDisconnect


class Caller:
    """Sends a disconnect once told to."""

    def __init__(self) -> None:
        self.gone = Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


async def test_work_of_a_caller_who_stays() -> None:
    async with CancelOnDisconnect(Caller().receive):
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= 2  # the watch ends with the block


async def test_work_of_a_caller_who_leaves() -> None:
    caller = Caller()
    asyncio.get_running_loop().call_soon(caller.gone.set)
    work = asyncio.get_running_loop().create_future()
    with pytest.raises(ClientDisconnect):
        async with CancelOnDisconnect(caller.receive):
            await work
    assert work.cancelled()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # the task lives on


async def test_work_begins_before_its_caller_is_watched() -> None:
    caller, steps = Caller(), list[str]()

    async def receive() -> Message:
        steps.append("watched")
        return await caller.receive()

    async def begin() -> None:
        steps.append("begun")

    async with CancelOnDisconnect(receive):
        await asyncio.create_task(begin())
        await asyncio.sleep(0)
    assert steps == ["begun", "watched"]


async def test_work_that_waits_for_nothing_is_not_watched() -> None:
    async def receive() -> Message:
        raise AssertionError

    async with CancelOnDisconnect(receive):
        pass
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_messages_before_the_disconnect_are_passed_over() -> None:
    messages: list[Message] = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    with pytest.raises(ClientDisconnect):
        async with CancelOnDisconnect(receive):
            await asyncio.get_running_loop().create_future()


async def test_error_of_the_work_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        async with CancelOnDisconnect(Caller().receive):
            raise ZeroDivisionError


async def test_cancellation_from_outside_stays_one() -> None:
    entered = Event()

    async def work() -> None:
        async with CancelOnDisconnect(Caller().receive):
            entered.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancellation_from_outside_wins_over_a_disconnect() -> None:
    caller, entered = Caller(), Event()

    async def work() -> None:
        async with CancelOnDisconnect(caller.receive):
            entered.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(work())
    await entered.wait()
    caller.gone.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
