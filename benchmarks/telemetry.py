"""Times what telemetry costs the event loop: a request's record, and a scrape of the metrics.

Usage: python -m benchmarks.telemetry [--rounds 20]

Processor time, the best of several rounds, so that other work on the machine hardly matters.
"""

import argparse
import asyncio
import io
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from app.inference import Predictor, load_bundle
from app.settings import read_settings
from app.telemetry import logs
from app.telemetry.metrics import Metrics
from app.telemetry.middleware import log_request
from app.telemetry.record import Record

PREDICTION = Record(
    "7f3c0a52e2f84c4b8a36b1a3c1f0f6d1",
    "POST",
    "polyp-unet/1",
    route="/predict",
    status=200,
    format="png",
    bytes_in=78_670,
    bytes_out=4_721,
    width=720,
    height=576,
    timings_ms={"decode": 5.66, "queue": 0.57, "infer": 13.9, "encode": 2.04},
    total_ms=23.5,
)
PROBE = Record("ready", "GET", "polyp-unet/1", route="/health/ready", status=200, total_ms=0.4)


def microseconds(function: Callable[[], object], calls: int, rounds: int) -> float:
    """Return the processor time of one call."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            function()
        best = min(best, time.process_time() - began)
    return best / calls * 1e6


async def main(rounds: int) -> None:
    """Measure and print a table."""
    settings = read_settings()
    metrics = Metrics(Predictor(load_bundle(settings.model, settings.model_version)))
    logs.configure(stream=io.StringIO())
    table = Table("what", "µs")
    for what, function, calls in (
        ("metrics of a prediction", lambda: metrics.observe(PREDICTION), 10_000),
        ("metrics of another request", lambda: metrics.observe(PROBE), 10_000),
        ("log line of a prediction", lambda: log_request(PREDICTION), 2_000),
        ("a scrape", metrics.render, 50),
    ):
        table.add_row(what, f"{microseconds(function, calls, rounds):.1f}")
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    asyncio.run(main(parser.parse_args().rounds))
