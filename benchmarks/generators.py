"""Checks the load generator against compiled ones: it must not be what is measured.

Usage: python -m benchmarks.generators [--rounds 5] [--seconds 3]

`wrk` and `hey` are Debian packages (`apt-get install wrk hey`); what is not there is left out.
"""

import asyncio
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.fire.proof import options
from benchmarks.fire.service import Service, serve
from benchmarks.load import closed_loop
from benchmarks.pictures import scenes
from benchmarks.tables import markdown, spread

_LUA = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*all")
wrk.headers["Content-Type"] = "image/jpeg"
"""

Result = tuple[float, float]
"""Requests a second, and the median time in ms."""


def ours(service: Service, body: Path, clients: int, seconds: int) -> Result:
    """Measure with `benchmarks.load`."""
    samples = asyncio.run(closed_loop(service.target(), [body.read_bytes()], clients, seconds))
    rate = len(samples) / max(sample.end for sample in samples)
    return rate, 1000 * statistics.median(sample.seconds for sample in samples)


def wrk(service: Service, body: Path, clients: int, seconds: int) -> Result:
    """Measure with `wrk`."""
    script = body.with_suffix(".lua")
    script.write_text(_LUA.format(body=body))
    text = _run(
        "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script, _url(service)
    )
    rate, half = (
        re.search(r"Requests/sec:\s+(\S+)", text),
        re.search(r"50%\s+([\d.]+)(us|ms|s)", text),
    )
    assert rate
    assert half
    return float(rate[1]), float(half[1]) * {"us": 0.001, "ms": 1, "s": 1000}[half[2]]


def hey(service: Service, body: Path, clients: int, seconds: int) -> Result:
    """Measure with `hey`."""
    text = _run(
        *("hey", "-z", f"{seconds}s", "-c", clients, "-m", "POST", "-T", "image/jpeg"),
        *("-D", body, _url(service)),
    )
    rate, half = re.search(r"Requests/sec:\s+(\S+)", text), re.search(r"50% in ([\d.]+) secs", text)
    assert rate
    assert half
    return float(rate[1]), 1000 * float(half[1])


def main() -> None:
    """Measure and print a table."""
    given = options(__doc__, rounds=5, seconds=3)
    generators: dict[str, Callable[[Service, Path, int, int], Result]] = {"ours": ours}
    generators |= {tool.__name__: tool for tool in (wrk, hey) if shutil.which(tool.__name__)}
    rows = []
    with TemporaryDirectory() as folder, serve(given.bundle) as service:
        body = Path(folder) / "image.jpg"
        body.write_bytes(scenes("720x576")[0])
        ours(service, body, 4, 2)
        for clients in (1, 16):
            found: dict[str, list[Result]] = {name: [] for name in generators}
            for _ in range(given.rounds):
                for name, generator in generators.items():
                    time.sleep(0.2)
                    found[name].append(generator(service, body, clients, given.seconds))
            rows += [
                [str(clients), name, spread([r for r, _ in pairs]), spread([t for _, t in pairs])]
                for name, pairs in found.items()
            ]
    Console(width=100).print(markdown(["clients", "generator", "requests/s", "p50, ms"], rows))


def _run(*command: object) -> str:
    parts = [str(part) for part in command]
    return subprocess.run(parts, capture_output=True, text=True, check=True).stdout


def _url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}/predict"


if __name__ == "__main__":
    main()
