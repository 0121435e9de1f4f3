"""The first request after ready, in the worst of many starts: at most 1.5 times the usual p99.

Usage: python -m benchmarks.fire.first [--starts 20]
"""

import asyncio
import time

from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import scenes


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
    first = []
    for start in range(given.starts):
        with serve(given.bundle) as service:
            first += asyncio.run(milliseconds(service, 1))
            if start == given.starts - 1:
                steady = sorted(asyncio.run(milliseconds(service, 500)))
    p99 = steady[int(0.99 * len(steady))]
    print([round(time, 1) for time in first])
    conclude(
        [
            Figure("starts", len(first)),
            Figure("steady p50 of 500", steady[len(steady) // 2], unit="ms"),
            Figure("steady p99 of 500", p99, unit="ms"),
            Figure("worst first request", max(first), unit="ms"),
            Figure("worst first request / p99", max(first) / p99, 1.5),
        ]
    )


if __name__ == "__main__":
    main()
