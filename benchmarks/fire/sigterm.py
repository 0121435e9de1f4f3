"""Told to stop under load, again and again: nothing that was accepted is lost, and it exits with 0.

Usage: python -m benchmarks.fire.sigterm [--times 50]

Accepted is what was let in with its body read. Callers reconnect as they like; a request that was
on its way when a connection closed was never accepted, and the log of the service must agree.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.connection import Connection, connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import scenes

_CLIENTS = 8


@dataclass(slots=True)
class Callers:
    """What callers saw, by request id; 0 is no answer."""

    statuses: dict[str, int] = field(default_factory=dict)

    async def ask_for_ever(self, service: Service, number: int) -> None:
        """Ask until nobody listens any more."""
        pictures = scenes("720x576")
        connection: Connection | None = None
        turn = 0
        while True:
            name = f"caller-{number}-{turn}"
            request = service.target(**{"X-Request-Id": name}).request(pictures[turn % 4])
            turn += 1
            try:
                if connection is None or not connection.open:
                    connection = await connect(service.port)
            except OSError:
                return
            self.statuses[name] = 0
            try:
                self.statuses[name], _ = await connection.ask(request)
            except OSError:
                connection = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one service.

    Attributes:
        answered: Requests that were answered, by status.
        unanswered: Requests that were never accepted, as both sides say.
        lost: Requests that the service accepted, and whose caller got no answer.
        code: Its exit code; None if it had to be killed.
    """

    answered: Counter[int]
    unanswered: int
    lost: int
    code: int | None


async def stop_under_load(service: Service, after: float) -> Outcome:
    """Send SIGTERM after a while, and compare what callers and the service say."""
    callers = Callers()
    tasks = [asyncio.create_task(callers.ask_for_ever(service, n)) for n in range(_CLIENTS)]
    await asyncio.sleep(after)
    service.tree.root.terminate()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    code = await asyncio.to_thread(service.tree.root.wait, 60)
    lines = [line for line in service.lines if line["event"] == "request"]
    accepted = {line["request_id"] for line in lines if line.get("bytes_in")}
    silent = {name for name, status in callers.statuses.items() if status == 0}
    unanswered = [line["unanswered"] for line in service.lines if line["event"] == "stopped"]
    return Outcome(
        Counter(status for status in callers.statuses.values() if status),
        len(silent - accepted),
        len(silent & accepted) + sum(unanswered),
        code,
    )


def stop(bundle: Path, seed: int) -> Outcome:
    """Start a service, load it, and stop it at a random moment."""
    with serve(bundle) as service:
        after = random.Random(seed).uniform(0.2, 1.5)  # noqa: S311 - no secret
        return asyncio.run(stop_under_load(service, after))


def main() -> None:
    """Measure."""
    given = options(__doc__, times=50)
    outcomes = [stop(given.bundle, seed) for seed in range(given.times)]
    answered = sum((outcome.answered for outcome in outcomes), Counter[int]())
    conclude(
        [
            Figure("stopped under load", len(outcomes)),
            Figure("answered with 200", answered[200]),
            Figure("answered with 429 or 503", answered[429] + answered[503]),
            Figure(
                "answered with anything else",
                answered.total() - answered[200] - answered[429] - answered[503],
                0,
            ),
            Figure(
                "never accepted: the connection was closed before",
                sum(o.unanswered for o in outcomes),
            ),
            Figure("accepted and lost", sum(outcome.lost for outcome in outcomes), 0),
            Figure("exit codes but 0", sum(outcome.code != 0 for outcome in outcomes), 0),
        ]
    )


if __name__ == "__main__":
    main()
