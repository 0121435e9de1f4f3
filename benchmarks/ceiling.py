"""What no server can exceed: the same work in processes that serve nobody, beside two that do.

Usage: python -m benchmarks.ceiling [--rounds 7] [--seconds 3] [--peer mosec]

A process a core takes pictures from JPEG to PNG by the functions that the servers of round A call,
with nothing around them. Servers and ceiling take turns; ratios are formed within a round.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from app.memory import keep_memory_flat
from benchmarks.cells import closed
from benchmarks.fire.proof import BUNDLE
from benchmarks.load import PATIENCE_S
from benchmarks.pictures import scenes
from benchmarks.servers import OURS, PEERS, SHIPPED, Entry, Server, Unavailable, started
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

    def __init__(self, bundle: Path, cores: Sequence[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ends: list[Connection] = []
        self.processes: list[SpawnProcess] = []
        for core in cores:
            end, other = context.Pipe()
            process = context.Process(
                target=_compute, args=(bundle.resolve(), core, other), daemon=True
            )
            process.start()
            other.close()  # else nobody would be told that the process has ended
            self._ends.append(end)
            self.processes.append(process)

    def measure(self, seconds: float) -> float:
        """Return images per second, all processes together.

        Raises:
            EOFError: One of them has ended; it has told why.
        """
        for end in self._ends:
            end.send(seconds)
        return float(sum(end.recv() for end in self._ends))

    def close(self) -> None:
        """End the processes."""
        for end in self._ends:
            end.close()
        for process in self.processes:
            process.join()


@contextmanager
def ceiling(bundle: Path) -> Iterator[Ceiling]:
    """Start a process a core, and end them.

    Args:
        bundle: The folder of the bundle's version.
    """
    found = Ceiling(bundle, sorted(os.sched_getaffinity(0)))
    try:
        yield found
    finally:
        found.close()


def _compute(bundle: Path, core: int, orders: Connection) -> None:
    os.sched_setaffinity(0, [core])
    os.environ |= {
        "BENCH_BUNDLE": str(bundle),
        "BENCH_PATIENCE_S": str(PATIENCE_S),
        "BENCH_ROUND": "a",
        "BENCH_THREADS": "1",
    }
    keep_memory_flat()
    from benchmarks.peers.work import load

    work, pictures = load(), scenes(_SIZE)
    with suppress(EOFError):
        while True:
            seconds = orders.recv()
            began, done = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - began) < seconds:
                work(pictures[done % len(pictures)])
                done += 1
            orders.send(done / elapsed)


def compare(peer: Server, bundle: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Measure in turns; return images per second by name and round.

    Args:
        peer: The server beside ours.
        bundle: The folder of the bundle's version.
        rounds: How often each has its turn.
        seconds: Length of a turn.

    Raises:
        Unavailable: A server cannot be installed or does not start.
    """
    rates: dict[str, list[float]] = {_CEILING: [], OURS: [], peer.name: []}
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        servers = {
            server.name: stack.enter_context(started(Entry(server, bundle, "a"), logs))
            for server in (SHIPPED, peer)
        }
        for running in servers.values():
            running.tree.pause()
        top = stack.enter_context(ceiling(bundle))
        for number in range(rounds):
            for name in [*rates][:: 1 if number % 2 else -1]:
                if name not in servers:
                    top.measure(0.5)
                    rates[name].append(top.measure(seconds))
                    continue
                servers[name].tree.resume()
                closed(servers[name], _SIZE, 2, 0.5)
                cell = closed(servers[name], _SIZE, _CLIENTS, seconds)
                servers[name].tree.pause()
                rates[name].append(float(cell["throughput"]))
    return rates


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="folder of its version")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--peer", default="mosec", choices=[peer.name for peer in PEERS])
    options = parser.parse_args()
    peer = next(peer for peer in PEERS if peer.name == options.peer)
    try:
        rates = compare(peer, options.bundle, options.rounds, options.seconds)
    except Unavailable as fault:
        sys.exit(str(fault))
    rows = [
        [name, spread(found, 1), f"{ratio(found, rates[_CEILING]):.3f}"]
        for name, found in rates.items()
    ]
    Console().print(markdown(["what", "images/s", "of the ceiling"], rows))


if __name__ == "__main__":
    main()
