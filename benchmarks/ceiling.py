"""What no server can exceed: the same work in processes that serve nobody, beside two that do.

Usage: python -m benchmarks.ceiling [--rounds 7] [--seconds 3] [--peer mosec]

A process a core takes pictures from JPEG to PNG by the functions that the servers of round A call,
with nothing around them. Servers and ceiling take turns; ratios are formed within a round.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from app.memory import keep_memory_flat
from benchmarks.cells import closed
from benchmarks.fire.proof import BUNDLE
from benchmarks.load import PATIENCE_S
from benchmarks.pictures import scenes
from benchmarks.servers import OURS, PEERS, SHIPPED, Entry, started
from benchmarks.tables import markdown, ratio, spread

_CEILING = "no server"
_SIZE = "720x576"
_CLIENTS = 16


class Ceiling:
    """Processes that compute when they are told to.

    Args:
        bundle: The folder of the bundle's version.
        cores: A process for each, which stays there.
    """

    def __init__(self, bundle: Path, cores: list[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders: list[SimpleQueue[float]] = [context.SimpleQueue() for _ in cores]
        self._rates: SimpleQueue[float] = context.SimpleQueue()
        self._processes = [
            context.Process(
                target=_compute, args=(bundle.resolve(), core, orders, self._rates), daemon=True
            )
            for core, orders in zip(cores, self._orders, strict=True)
        ]
        for process in self._processes:
            process.start()

    def measure(self, seconds: float) -> float:
        """Return images per second, all processes together."""
        for orders in self._orders:
            orders.put(seconds)
        return sum(self._rates.get() for _ in self._orders)

    def close(self) -> None:
        """End the processes."""
        for orders in self._orders:
            orders.put(0.0)
        for process in self._processes:
            process.join()


@contextmanager
def ceiling(bundle: Path) -> Iterator[Ceiling]:
    """Start a process a core, and end them.

    Args:
        bundle: The folder of the bundle's version.
    """
    processes = Ceiling(bundle, sorted(os.sched_getaffinity(0)))
    try:
        processes.measure(0.1)  # the first pictures are slower
        yield processes
    finally:
        processes.close()


def _compute(
    bundle: Path, core: int, orders: "SimpleQueue[float]", rates: "SimpleQueue[float]"
) -> None:
    os.environ |= {"BENCH_BUNDLE": str(bundle), "BENCH_PATIENCE_S": str(PATIENCE_S)}
    os.sched_setaffinity(0, [core])
    keep_memory_flat()
    from benchmarks.peers.work import load

    work, pictures = load(), scenes(_SIZE)
    while seconds := orders.get():
        began, done = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            work(pictures[done % len(pictures)])
            done += 1
        rates.put(done / elapsed)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="folder of its version")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--peer", default="mosec", choices=[peer.name for peer in PEERS])
    options = parser.parse_args()
    peer = next(peer for peer in PEERS if peer.name == options.peer)
    rates: dict[str, list[float]] = {_CEILING: [], OURS: [], peer.name: []}
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        servers = {
            server.name: stack.enter_context(started(Entry(server, options.bundle, "a"), logs))
            for server in (SHIPPED, peer)
        }
        for running in servers.values():
            running.tree.pause()
        top = stack.enter_context(ceiling(options.bundle))
        for number in range(options.rounds):
            for name in [*rates][:: 1 if number % 2 else -1]:
                if name not in servers:
                    rates[name].append(top.measure(options.seconds))
                    continue
                servers[name].tree.resume()
                closed(servers[name], _SIZE, 2, 0.5)
                cell = closed(servers[name], _SIZE, _CLIENTS, options.seconds)
                servers[name].tree.pause()
                rates[name].append(float(cell["throughput"]))
    rows = [
        [name, spread(found, 1), f"{ratio(found, rates[_CEILING]):.3f}"]
        for name, found in rates.items()
    ]
    Console().print(markdown(["what", "images/s", "of the ceiling"], rows))


if __name__ == "__main__":
    main()
