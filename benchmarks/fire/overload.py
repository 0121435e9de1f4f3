"""Three times what can be done, from a compiled generator: who is admitted is served.

Usage: python -m benchmarks.fire.overload [--seconds 60] [--times 3]

`h2load` opens a connection for each request at a fixed rate, whatever becomes of the others. A
prober of its own asks for `/health/live` ten times a second. The peak is the mean of a closed loop
before and one after, together as long as the overload.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.load import closed_loop
from benchmarks.pictures import scenes
from benchmarks.requests import get

_PERIOD_S = 0.1
_PACE_ERROR = 0.02
_WARM_S = 3.0


def peak(service: Service, seconds: float) -> float:
    """Return the throughput of a closed loop, after a short one that warms it up."""
    for spell in (min(_WARM_S, seconds), seconds):
        samples = asyncio.run(closed_loop(service.target(), scenes("720x576"), 16, spell))
    return len(samples) / max(sample.end for sample in samples)


async def probe(service: Service, seconds: float) -> list[float]:
    """Ask for `/health/live` ten times a second; return milliseconds."""
    connection = await connect(service.port)
    request = get(service.port, "/health/live")
    began, times = time.perf_counter(), []
    for number in range(int(seconds / _PERIOD_S)):
        await asyncio.sleep(began + number * _PERIOD_S - time.perf_counter())
        sent = time.perf_counter()
        status, _ = await connection.ask(request)
        assert status == 200
        times.append(1000 * (time.perf_counter() - sent))
    connection.hang_up()
    return times


def pace(rate: float) -> tuple[int, int]:
    """Return how many requests to send in how many whole milliseconds, evenly if possible.

    Of all bursts that meet the rate to 2 %, it is the smallest: thirty connections at the same
    moment would measure how long thirty of them take, not how long one does.
    """
    for burst in range(1, 1000):
        period_ms = max(1, round(1000 * burst / rate))
        if abs(1000 * burst / period_ms / rate - 1) <= _PACE_ERROR:
            return burst, period_ms
    raise ValueError(f"There is no pace for {rate:g} requests a second.")


def overload(
    service: Service, rate: float, seconds: float
) -> tuple[Counter[int], int, list[float]]:
    """Run `h2load` beside the prober.

    Returns:
        How often each status came, how many answers with 200 came within the time, and the
        prober's milliseconds.
    """
    burst, period_ms = pace(rate)
    requests = round(1000 * burst / period_ms * seconds)
    with TemporaryDirectory() as folder:
        body, log = Path(folder) / "image.jpg", Path(folder) / "log"
        body.write_bytes(scenes("720x576")[0])
        command = [
            *("h2load", "--h1", "-t", "1", "-n", str(requests), "-c", str(requests)),
            *("-r", str(burst), f"--rate-period={period_ms}ms"),
            *("-d", str(body), "-H", "Content-Type: image/jpeg", f"--log-file={log}"),
            f"http://127.0.0.1:{service.port}/predict",
        ]
        generator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        times = asyncio.run(probe(service, seconds))
        generator.wait(seconds)
        rows = [line.split() for line in log.read_text().splitlines()]
    # Start in microseconds since the epoch, status, microseconds to the end of the answer.
    first = min(int(row[0]) for row in rows)
    ends = [(int(row[0]) - first + int(row[2])) / 1e6 for row in rows if row[1] == "200"]
    statuses = Counter(int(row[1]) for row in rows)
    statuses[0] += requests - len(rows)
    return statuses, sum(end <= seconds for end in ends), times


def p99(values: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


def main() -> None:
    """Measure."""
    given = options(__doc__, seconds=60.0, times=3.0)
    if shutil.which("h2load") is None:
        sys.exit("h2load is missing: apt-get install nghttp2-client")
    with serve(given.bundle) as service:
        before = peak(service, given.seconds / 2)
        seen = len(service.lines)
        statuses, good, times = overload(service, given.times * before, given.seconds)
        refused = [
            line["timing_ms"]["total"] for line in service.lines[seen:] if line.get("status") == 429
        ]
        after = peak(service, given.seconds / 2)
    # The speed of a machine wanders from minute to minute: capacity is that of the time around.
    best = (before + after) / 2
    other = sum(count for status, count in statuses.items() if status not in {200, 429})
    conclude(
        [
            Figure("peak before, 16 clients in a closed loop", before, unit="1/s"),
            Figure("peak afterwards", after, unit="1/s"),
            Figure("offered", sum(statuses.values()) / given.seconds, unit="1/s"),
            Figure("goodput", good / given.seconds / best * 100, 95, "% of the peak", least=True),
            Figure("neither 200 nor 429", other, 0),
            Figure("refused", statuses[429]),
            Figure("p99 of a refusal, inside the server", p99(refused), 20, "ms"),
            Figure("p99 of /health/live", p99(times), 10, "ms"),
        ]
    )


if __name__ == "__main__":
    main()
