"""Load: who asks, when, and how long each waited. All in one thread, apart from the servers."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.connection import Connection, Pool, connect
from benchmarks.requests import Target

PATIENCE_S = 2.0
"""How long a person looks at a picture that does not change: who asks in an open loop waits so."""

NO_ANSWER = 0
"""Status of a request that got none: the server closed, or the caller's patience was over."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request.

    Attributes:
        due: Seconds from the start of the load to when it was due, or sent in a closed loop.
        seconds: From then to the last byte of the answer.
        status: HTTP status, or `NO_ANSWER`.
        picture: Which picture was sent.
    """

    due: float
    seconds: float
    status: int
    picture: int

    @property
    def end(self) -> float:
        """Seconds from the start of the load to the end of the answer."""
        return self.due + self.seconds


async def closed_loop(
    target: Target, pictures: Sequence[bytes], clients: int, seconds: float
) -> list[Sample]:
    """Ask with several clients, each sending its next request when its last one is answered."""
    requests = [target.request(picture) for picture in pictures]
    samples: list[Sample] = []
    began = time.perf_counter()

    async def client(number: int) -> None:
        turn = number
        connection: Connection | None = None
        while (due := time.perf_counter()) < began + seconds:
            picture = turn % len(requests)
            turn += 1
            try:
                if connection is None or not connection.open:
                    connection = await connect(target.port)
                status, _ = await connection.ask(requests[picture])
            except OSError:
                status, connection = NO_ANSWER, None
                await asyncio.sleep(0.01)
            took = time.perf_counter() - due
            samples.append(Sample(due - began, took, status, picture))
        if connection:
            connection.hang_up()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return samples


async def open_loop(
    target: Target,
    pictures: Sequence[bytes],
    rate: float,
    seconds: float,
    patience: float,
    seed: int = 0,
) -> list[Sample]:
    """Ask at random moments, whether or not the server keeps up.

    Arrivals are a Poisson process; a request's time counts from when it was due. A caller whose
    patience ends hangs up.

    Args:
        target: Whom to ask.
        pictures: What to send.
        rate: Requests per second.
        seconds: How long requests are sent.
        patience: Seconds that a caller waits from when the request was due.
        seed: Seed of the arrivals, so that each server sees the same ones.
    """
    requests = [target.request(picture) for picture in pictures]
    arrivals = random.Random(seed)  # noqa: S311 - no secret
    pool, samples = Pool(target.port), list[Sample]()
    now = asyncio.get_running_loop().time
    began = now()

    async def caller(due: float, picture: int) -> None:
        status = NO_ANSWER
        with contextlib.suppress(OSError, TimeoutError):
            # Nobody's patience is longer because the generator was late.
            async with asyncio.timeout_at(began + due + patience), pool.connection() as connection:
                status, _ = await connection.ask(requests[picture])
        samples.append(Sample(due, now() - began - due, status, picture))

    async with asyncio.TaskGroup() as callers:
        due, number = arrivals.expovariate(rate), 0
        while due < seconds:
            await asyncio.sleep(began + due - now())
            callers.create_task(caller(due, number % len(requests)))
            due += arrivals.expovariate(rate)
            number += 1
    pool.close()
    return samples


async def lone(target: Target, pictures: Sequence[bytes], times: int, idle: float) -> list[Sample]:
    """Ask once after each of several idle times, over one connection."""
    requests = [target.request(picture) for picture in pictures]
    connection = await connect(target.port)
    samples = []
    began = time.perf_counter()
    for turn in range(times):
        await asyncio.sleep(idle)
        due = time.perf_counter()
        status, _ = await connection.ask(requests[turn % len(requests)])
        took = time.perf_counter() - due
        samples.append(Sample(due - began, took, status, turn % len(requests)))
    connection.hang_up()
    return samples


async def among_leavers(
    target: Target, pictures: Sequence[bytes], stayers: int, leavers: int, seconds: float
) -> list[Sample]:
    """Ask with a few clients who wait, among many who send a request and soon hang up.

    Returns:
        The requests of those who wait.
    """
    requests = [target.request(picture) for picture in pictures]

    staying = True

    async def leave() -> None:
        while staying:
            with contextlib.suppress(OSError):
                connection = await connect(target.port)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await connection.ask(requests[0])
                connection.hang_up()
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(leave()) for _ in range(leavers)]
    try:
        return await closed_loop(target, pictures, stayers, seconds)
    finally:
        staying = False
        await asyncio.gather(*tasks)


async def answers(target: Target, pictures: Sequence[bytes]) -> list[bytes]:
    """Ask for each picture once; return the bodies.

    Raises:
        ConnectionError: An answer has another status than 200.
    """
    bodies = []
    for picture in pictures:
        connection = await connect(target.port)
        status, body = await connection.ask(target.request(picture))
        connection.hang_up()
        if status != 200:
            raise ConnectionError(f"The answer has status {status}: {body[:200]!r}")
        bodies.append(body)
    return bodies
