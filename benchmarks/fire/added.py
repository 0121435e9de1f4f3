"""What `/predict` adds to decode, infer and encode of a lone request: at most 2 ms.

Usage: python -m benchmarks.fire.added [--requests 300]
"""

import asyncio
import statistics
import time

from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import SIZES, scenes

_STAGES = ("decode", "infer", "encode")


async def added_ms(service: Service, size: str, requests: int) -> list[float]:
    """Ask one after another; return what is left of each time that the client saw."""
    connection = await connect(service.port)
    bodies = [service.target().request(picture) for picture in scenes(size)]
    found = []
    for number in range(requests):
        began = time.perf_counter()
        status, _ = await connection.ask(bodies[number % len(bodies)])
        elapsed = 1000 * (time.perf_counter() - began)
        assert status == 200
        timing = connection.headers["server-timing"]
        stages = dict(entry.split(";dur=") for entry in timing.split(", "))
        found.append(elapsed - sum(float(stages[stage]) for stage in _STAGES))
    connection.hang_up()
    return found[requests // 10 :]


def main() -> None:
    """Measure."""
    given = options(__doc__, requests=300)
    with serve(given.bundle) as service:
        figures = [
            Figure(f"median added to {size}", statistics.median(found), 2.0, "ms")
            for size in SIZES
            for found in [asyncio.run(added_ms(service, size, given.requests))]
        ]
    conclude(figures)


if __name__ == "__main__":
    main()
