"""The event loop rests after a refusal, though not while callers come."""

import asyncio

from app.http.pause import Pause


async def test_it_rests_once_when_nobody_comes_any_more() -> None:
    rests: list[float] = []
    pause = Pause(0.5, rests.append)
    loop = asyncio.get_running_loop()
    for _ in range(5):
        pause.notice()
        pause.begin(loop)
        await asyncio.sleep(0)
        assert not rests
    for _ in range(5):
        await asyncio.sleep(0)
    assert rests == [0.5]


async def test_it_rests_after_every_rush() -> None:
    rests: list[float] = []
    pause = Pause(0.5, rests.append)
    for number in range(1, 4):
        pause.notice()
        pause.begin(asyncio.get_running_loop())
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(rests) == number


async def test_it_does_not_rest_by_itself() -> None:
    rests: list[float] = []
    pause = Pause(0.5, rests.append)
    pause.notice()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not rests
