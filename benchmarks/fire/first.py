"""The first request after ready, in the worst of many starts: at most 1.5 times the usual p99.

Usage: python -m benchmarks.fire.first [--starts 20]

The usual ones follow the first in each of the starts, without the next few, which might be slow for
the same reason. A machine that shares its cores with others is slower for seconds, and whole starts
with it: 500 requests of a single start would not say what is usual in all of them.
"""

import asyncio
import math
import statistics
import time

from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import scenes

_USUAL = 500
_EARLY = 5


async def milliseconds(service: Service, requests: int) -> list[float]:
    """Ask one after another over a new connection."""
    pictures = [service.target().request(picture) for picture in scenes("720x576")]
    connection = await connect(service.port)
    times = []
    for number in range(requests):
        began = time.perf_counter()
        status, _ = await connection.ask(pictures[number % len(pictures)])
        times.append(1000 * (time.perf_counter() - began))
        assert status == 200
    connection.hang_up()
    return times


def main() -> None:
    """Measure."""
    given = options(__doc__, starts=20)
    scenes("720x576")  # drawn before the first service is ready
    first, steady = [], list[float]()
    for _ in range(given.starts):
        with serve(given.bundle) as service:
            times = asyncio.run(milliseconds(service, _EARLY + math.ceil(_USUAL / given.starts)))
        one, others = times[0], times[_EARLY:]
        first.append(one)
        steady += others
        print(f"{one:.1f} ms, then {min(others):.1f} to {max(others):.1f}", flush=True)
    steady.sort()
    p99 = steady[int(0.99 * len(steady))]
    conclude(
        [
            Figure("starts", len(first)),
            Figure(f"p50 of {len(steady)} others", steady[len(steady) // 2], unit="ms"),
            Figure(f"p99 of {len(steady)} others", p99, unit="ms"),
            Figure("median first request", statistics.median(first), unit="ms"),
            Figure("worst first request", max(first), unit="ms"),
            Figure("worst first request / p99", max(first) / p99, 1.5),
        ]
    )


if __name__ == "__main__":
    main()
