"""Times a lone client's `POST /predict` for each engine, interleaved in one run.

Usage: python -m benchmarks.latency [--requests 100] [--rounds 5] [--json FILE]

Each engine is served by a `polypseg serve` of its own; the one that is not measured is stopped with
SIGSTOP. Absolute times depend on the machine: compare within one run.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.imaging import phantom_jpeg
from benchmarks.pictures import SIZES

ENGINES = ("onnxruntime", "tensorflow")


class Served:
    """A server process and the connection of one client to it."""

    def __init__(self, process: subprocess.Popen[str], url: str, ready_s: float) -> None:
        self.process = process
        self.ready_s = ready_s
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def pause(self) -> None:
        """Give the cores to the others."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Undo `pause`."""
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def serve(engine: str) -> Iterator[Served]:
    """Start a server and wait until it is ready."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", "0", "--engine", engine],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert process.stdout is not None
    try:
        port = next(
            record["port"]
            for record in (json.loads(line) for line in process.stdout)
            if record.get("event") == "listening"
        )
        url = f"http://127.0.0.1:{port}"
        while httpx.get(f"{url}/health/ready", trust_env=False).status_code != 200:
            time.sleep(0.02)
        served = Served(process, url, time.monotonic() - started)
        with served.client:
            yield served
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.communicate()


def measure(served: Served, body: bytes, requests: int) -> list[dict[str, float]]:
    """Send requests one after another; all times in milliseconds."""
    rows = []
    for _ in range(requests):
        started = time.perf_counter()
        answer = served.client.post(
            "/predict/png", content=body, headers={"Content-Type": "image/jpeg"}
        )
        elapsed = 1000 * (time.perf_counter() - started)
        answer.raise_for_status()
        stages = dict(entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", "))
        rows.append({"client": elapsed} | {name: float(ms) for name, ms in stages.items()})
    return rows


def main() -> None:
    """Measure, print a table and, if asked to, write JSON."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--requests", type=int, default=50, help="in a round, for each size")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--json", type=Path, help="write all figures to this file")
    options = arguments.parse_args()
    bodies = {name: phantom_jpeg(*size) for name, size in SIZES.items()}
    rows: dict[tuple[str, str], list[dict[str, float]]] = {
        (engine, size): [] for engine in ENGINES for size in SIZES
    }
    with contextlib.ExitStack() as stack:
        served = {engine: stack.enter_context(serve(engine)) for engine in ENGINES}
        for server in served.values():
            measure(server, bodies["720x576"], 10)
            server.pause()
        for _ in track(range(options.rounds), "rounds"):
            for engine, server in served.items():
                server.go_on()
                for size, body in bodies.items():
                    rows[engine, size] += measure(server, body, options.requests)
                server.pause()
        report(rows, {engine: server.ready_s for engine, server in served.items()}, options.json)


def report(
    rows: dict[tuple[str, str], list[dict[str, float]]], ready: dict[str, float], out: Path | None
) -> None:
    """Print the medians; write every figure to `out`."""
    names = list(next(iter(rows.values()))[0])
    table = Table("engine", "image", *(f"{name} p50" for name in names), "client p95")
    summary: dict[str, Any] = {}
    for (engine, size), answers in rows.items():
        middle = {name: statistics.median(row[name] for row in answers) for name in names}
        tail = statistics.quantiles([row["client"] for row in answers], n=20)[-1]
        table.add_row(engine, size, *(f"{value:.1f}" for value in middle.values()), f"{tail:.1f}")
        summary[f"{engine}/{size}"] = {"p50": middle, "client_p95": tail, "requests": len(answers)}
    console = Console()
    console.print(table)
    console.print("milliseconds; " + ", ".join(f"{e} ready in {s:.1f} s" for e, s in ready.items()))
    if out:
        out.write_text(json.dumps({"ready_s": ready, "latency_ms": summary}, indent=2) + "\n")


if __name__ == "__main__":
    main()
