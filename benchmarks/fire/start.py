"""`make serve` to ready, the second time, and memory when ready, by engine.

Usage: python -m benchmarks.fire.start [--starts 5]
"""

import statistics

from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import serve
from benchmarks.servers import free_port

_PROMISED = {"onnxruntime": (5.0, 350.0), "tensorflow": (20.0, 1500.0)}


def main() -> None:
    """Measure."""
    given = options(__doc__, starts=5)
    figures = []
    for engine, (seconds, megabytes) in _PROMISED.items():
        ready, resident = [], []
        for _ in range(given.starts + 1):
            settings = {"engine": engine, "port": free_port()}
            with serve(given.bundle, command=("make", "serve"), settings=settings) as service:
                ready.append(service.ready_s)
                resident.append(service.resident / 1e6)
        figures += [
            Figure(
                f"make serve to ready, {engine}, median", statistics.median(ready[1:]), seconds, "s"
            ),
            Figure(f"make serve to ready, {engine}, worst", max(ready[1:]), unit="s"),
            Figure(f"memory when ready, {engine}, worst", max(resident), megabytes, "MB"),
        ]
    conclude(figures)


if __name__ == "__main__":
    main()
