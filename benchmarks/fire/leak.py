"""Thousands of mixed requests, good and bad: resident memory stays where it is.

Usage: python -m benchmarks.fire.leak [--requests 20000]

A line is laid through the readings after the first quarter; its slope is at most 1 MB in 10,000
requests.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from app.imaging import phantom, phantom_jpeg
from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import SIZES
from benchmarks.requests import Target

_CLIENTS = 6
_READINGS = 40
_LEAVE = b"LEAVE "
_PATHS = ("/predict/png", "/predict/json", "/predict/overlay", "/predict/probability")


def kinds(service: Service) -> list[tuple[int, Callable[[], bytes]]]:
    """Return weighted makers of requests: pictures of all sizes, and what goes wrong with them."""
    pictures = [phantom_jpeg(*size) for size in SIZES.values()]
    small, middle, _ = pictures
    image, _ = phantom(576, 720)
    png = bytes(cv2.imencode(".png", image)[1])
    pick = random.Random(0)  # noqa: S311 - no secret
    paths = [Target(service.port, path, form) for path in _PATHS for form in ("raw", "multipart")]

    def good() -> bytes:
        return pick.choice(paths).request(pick.choice([*pictures, small, small, middle, png]))

    def to(path: str, body: bytes) -> Callable[[], bytes]:
        request = service.target(path).request(body)
        return lambda: request

    bomb = png[:16] + (50_000).to_bytes(4) * 2 + png[24:]
    return [
        (10, good),
        (1, to("/predict", middle[: len(middle) // 2])),
        (1, to("/predict", b"no picture at all")),
        (1, to("/predict", b"")),
        (1, to("/predict", bomb)),
        (1, to("/predict?threshold=7", small)),
        (1, to("/nowhere", small)),
        (1, lambda: service.target(**{"X-Request-Timeout-Ms": "1"}).request(small)),
        (2, lambda: _LEAVE + service.target().request(middle)),
    ]


async def readings(service: Service, requests: int) -> tuple[list[tuple[int, int]], Counter[int]]:
    """Ask and hang up, and read the memory in pauses, when no picture is at work.

    Returns:
        Pairs of requests and bytes, and how often each status came.
    """
    weights, makers = zip(*kinds(service), strict=True)
    pick = random.Random(1)  # noqa: S311 - no secret
    statuses: Counter[int] = Counter()

    async def client(share: int) -> None:
        connection = await connect(service.port)
        for _ in range(share):
            request = pick.choices(makers, weights)[0]()
            if request.startswith(_LEAVE):
                await _hang_up(service, request.removeprefix(_LEAVE))
                continue
            if not connection.open:
                connection = await connect(service.port)
            status, _ = await connection.ask(request)
            statuses[status] += 1
        connection.hang_up()

    share = requests // _READINGS // _CLIENTS
    found = []
    for reading in range(_READINGS):
        await asyncio.gather(*(client(share) for _ in range(_CLIENTS)))
        await asyncio.sleep(0.1)  # whoever hung up last is noticed
        found.append(((reading + 1) * share * _CLIENTS, service.resident))
    return found, statuses


async def _hang_up(service: Service, request: bytes) -> None:
    connection = await connect(service.port)
    asking = asyncio.create_task(connection.ask(request))
    await asyncio.sleep(0.005)
    connection.hang_up()
    await asyncio.gather(asking, return_exceptions=True)


def slope(found: Sequence[tuple[int, int]]) -> float:
    """Return megabytes in 10,000 requests, by least squares."""
    numbers, sizes = np.array(found, np.float64).T
    return float(np.polyfit(numbers / 10_000, sizes / 1e6, 1)[0])


def main() -> None:
    """Measure."""
    given = options(__doc__, requests=20_000)
    with serve(given.bundle) as service:
        found, statuses = asyncio.run(readings(service, given.requests))
        alive = service.get("/health").status_code
    late = [reading for reading in found if reading[0] > given.requests / 4]
    print(dict(sorted(statuses.items())))
    print([round(size / 1e6, 1) for _, size in found])
    conclude(
        [
            Figure("readings", len(late), 20, least=True),
            Figure("slope", slope(late), 1, "MB in 10,000 requests"),
            Figure("largest", max(size for _, size in found) / 1e6, unit="MB"),
            Figure("answers with 500", statuses[500], 0),
            Figure("status of /health afterwards", alive, 200),
        ]
    )


if __name__ == "__main__":
    main()
