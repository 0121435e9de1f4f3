"""Thousands of callers hang up while the engine is held: hardly any of them is ever run.

Usage: python -m benchmarks.fire.hangups [--callers 4000]
"""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.imaging import phantom_jpeg
from benchmarks.connection import Connection, connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.load import closed_loop
from benchmarks.requests import get

_PATIENCE_S = 60.0
_RECOVERY_S = 4.0
_QUIET_S = 0.02  # of processor time, in ten times as long
_CANCELLED = re.compile(r'^polypseg_dropped_total\{reason="cancelled"\} (\S+)$', re.MULTILINE)
_HELD = (sys.executable, "-m", "tests.service.held", "serve")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of everybody.

    Attributes:
        admitted: Who was let in, and hung up.
        cancelled: Of them, who were taken out of the queue.
        run: Of them, whose image was run in vain.
        status: The worst that the ones got who came afterwards and stayed.
    """

    admitted: int
    cancelled: int
    run: int
    status: int


@contextmanager
def held(bundle: Path) -> Iterator[tuple[Service, Path]]:
    """Start a service whose engine waits as long as there is a file `running` in the folder."""
    with (
        TemporaryDirectory() as folder,
        serve(
            bundle,
            command=_HELD,
            settings={"deadline_ms": 300_000, "max_deadline_ms": 300_000},  # room for many
            variables={"HELD_FOLDER": folder},
        ) as service,
    ):
        yield service, Path(folder)


async def hang_up_in_waves(service: Service, folder: Path, callers: int) -> Outcome:
    """Fill the queue and leave, again and again; after each wave, one asks and stays."""
    picture = phantom_jpeg(64, 64)
    request = service.target().request(picture)
    journal, running = folder / "journal", folder / "running"
    admitted = runs = 0
    statuses = set()
    while admitted < callers:
        journal.unlink(missing_ok=True)
        running.touch()
        watch = await connect(service.port)
        connections = [await connect(service.port) for _ in range(callers - admitted)]
        tasks = [asyncio.create_task(_ask(one, request)) for one in connections]
        admitted += await _wait_depth(watch, service, tasks)  # the others were refused
        await _wait_quiet(service)  # all are decoded, and wait for the engine
        for one in connections:
            one.hang_up()
        await asyncio.gather(*tasks)
        await _wait_depth(watch, service, [])
        running.unlink()
        status, _ = await watch.ask(request)
        statuses.add(status)
        runs += len(journal.read_text().splitlines()) - 1
        watch.hang_up()
        # An engine that was held gave no answers, and the house has become small.
        if admitted < callers:
            await closed_loop(service.target(), [picture], 16, _RECOVERY_S)
    cancelled = _CANCELLED.search(service.get("/metrics").text)
    assert cancelled
    return Outcome(admitted, round(float(cancelled[1])), runs, max(statuses))


async def _ask(connection: Connection, request: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        await connection.ask(request)


async def _wait_depth(
    watch: Connection, service: Service, callers: Sequence[asyncio.Task[None]]
) -> int:
    """Wait until whoever of them is not answered is in the house."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            _, body = await watch.ask(get(service.port, "/health"))
            if (found := int(json.loads(body)["queue"]["depth"])) == sum(
                not caller.done() for caller in callers
            ):
                return found
            await asyncio.sleep(0.005)


async def _wait_quiet(service: Service) -> None:
    used = 0.0
    while (now := service.tree.cpu()) > used + _QUIET_S:
        used = now
        await asyncio.sleep(0.2)


def main() -> None:
    """Measure."""
    given = options(__doc__, callers=4000)
    with held(given.bundle) as (service, folder):
        outcome = asyncio.run(hang_up_in_waves(service, folder, given.callers))
    never = 100 * (1 - outcome.run / outcome.admitted)
    conclude(
        [
            Figure("admitted, and hung up", outcome.admitted),
            Figure("of them taken out of the queue", outcome.cancelled),
            Figure("never run", never, 99, "%", least=True),
            Figure("worst status of the next one", outcome.status, 200),
        ]
    )


if __name__ == "__main__":
    main()
