"""Three times what can be done, from a compiled generator: who is admitted is served.

Usage: python -m benchmarks.fire.overload [--seconds 60] [--times 3]

`h2load` asks at a fixed rate, whatever becomes of the other requests: from many clients, each of
which keeps its connection and asks once in a period that is longer than the wait in the line. Then
once more, with a connection for each request, which costs the generator, the kernel and the service
about as much as a refusal: that figure explains, nothing is promised of it but the statuses. A
prober of its own asks for `/health/live` ten times a second. The peak is the mean of a closed loop
before and one after, together as long as the overload.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.server import raise_file_limit
from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.load import closed_loop
from benchmarks.pictures import scenes
from benchmarks.requests import get

_PERIOD_S = 0.1
_PACE_ERROR = 0.02
_WARM_S = 3.0
_CLIENT_PERIOD_S = 6.0
_LINE_S = 30.0  # to the last answer, at most


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
    service: Service, rate: float, seconds: float, period: float
) -> tuple[Counter[int], int, list[float], list[float]]:
    """Run `h2load` beside the prober.

    Args:
        service: What to ask.
        rate: Requests a second.
        seconds: How long.
        period: Seconds from one request of a client to its next; 0 for clients that ask once.

    Returns:
        How often each status came, how many answers with 200 came within the time, the prober's
        milliseconds, and those of each refusal, as `h2load` saw it.
    """
    burst, period_ms = pace(rate)
    rounds = max(1, round(seconds / period)) if period else 1
    clients = round(1000 * burst / period_ms * seconds / rounds)
    requests = clients * rounds
    with TemporaryDirectory() as folder:
        body, log = Path(folder) / "image.jpg", Path(folder) / "log"
        body.write_bytes(scenes("720x576")[0])
        command = [
            *("h2load", "--h1", "-t", "1", "-n", str(requests), "-c", str(clients)),
            *("-r", str(burst), f"--rate-period={period_ms}ms"),  # of new clients
            *(("--rps", f"{rounds / seconds:.4f}") if rounds > 1 else ()),  # of each client
            *("-d", str(body), "-H", "Content-Type: image/jpeg", f"--log-file={log}"),
            f"http://127.0.0.1:{service.port}/predict",
        ]
        generator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        times = asyncio.run(probe(service, seconds))
        generator.wait(seconds + _LINE_S)
        rows = [line.split() for line in log.read_text().splitlines()]
    # Start in microseconds since the epoch, status, microseconds to the end of the answer.
    first = min(int(row[0]) for row in rows)
    ends = [(int(row[0]) - first + int(row[2])) / 1e6 for row in rows if row[1] == "200"]
    statuses = Counter(int(row[1]) for row in rows)
    statuses[0] += requests - len(rows)
    refused = [int(row[2]) / 1000 for row in rows if row[1] == "429"]
    return statuses, sum(end <= seconds for end in ends), times, refused


def p99(values: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[min(len(values) - 1, int(0.99 * len(values)))]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an overload did.

    Attributes:
        offered: Requests a second.
        good: Answers with 200 within the time, a second.
        statuses: How often each status came.
        live_ms: The prober's milliseconds.
        refused_ms: Milliseconds of each refusal, inside the server.
        seen_ms: The same as the generator saw it, with the way, and the rest before it.
    """

    offered: float
    good: float
    statuses: Counter[int]
    live_ms: list[float]
    refused_ms: list[float]
    seen_ms: list[float]

    @property
    def other(self) -> int:
        """Answers of any other status, and those that never came."""
        return sum(count for status, count in self.statuses.items() if status not in {200, 429})


def suffer(service: Service, rate: float, seconds: float, period: float) -> Outcome:
    """Overload the service and read its log."""
    seen = len(service.lines)
    statuses, good, times, seen_ms = overload(service, rate, seconds, period)
    lines = service.lines[seen:]
    refused = [line["timing_ms"]["total"] for line in lines if line.get("status") == 429]
    offered = sum(statuses.values()) / seconds
    return Outcome(offered, good / seconds, statuses, times, refused, seen_ms)


def main() -> None:
    """Measure."""
    given = options(__doc__, seconds=60.0, times=3.0)
    if shutil.which("h2load") is None:
        sys.exit("h2load is missing: apt-get install nghttp2-client")
    raise_file_limit()  # the generator inherits it
    with serve(given.bundle) as service:
        before = peak(service, given.seconds / 2)
        rate = given.times * before
        kept = suffer(service, rate, given.seconds, _CLIENT_PERIOD_S)
        between = peak(service, given.seconds / 2)
        fresh = suffer(service, rate, given.seconds, 0)
        after = peak(service, given.seconds / 2)
    # The speed of a machine wanders from minute to minute: capacity is that of the time around.
    conclude(
        [
            Figure("peak before, 16 clients in a closed loop", before, unit="1/s"),
            Figure("peak afterwards", between, unit="1/s"),
            Figure("offered", kept.offered, unit="1/s"),
            Figure(
                "goodput", kept.good / (before + between) * 200, 95, "% of the peak", least=True
            ),
            Figure("neither 200 nor 429", kept.other, 0),
            Figure("refused", kept.statuses[429]),
            Figure("p99 of a refusal, inside the server", p99(kept.refused_ms), 20, "ms"),
            Figure("p99 of a refusal, as its caller sees it", p99(kept.seen_ms), 20, "ms"),
            Figure("p99 of /health/live", p99(kept.live_ms), 10, "ms"),
            Figure("a connection for each request: offered", fresh.offered, unit="1/s"),
            Figure("  goodput", fresh.good / (between + after) * 200, unit="% of the peak"),
            Figure("  neither 200 nor 429", fresh.other, 0),
            Figure("  p99 of a refusal, inside the server", p99(fresh.refused_ms), 20, "ms"),
            Figure("  p99 of a refusal, as its caller sees it", p99(fresh.seen_ms), unit="ms"),
            Figure("  p99 of /health/live", p99(fresh.live_ms), unit="ms"),
        ]
    )


if __name__ == "__main__":
    main()
