"""Finds the workers and threads that suit each peer best on this machine.

Usage: python -m benchmarks.tune [--rounds 3] [--seconds 3] [--peers mosec,FastAPI]

The time of a lone request decides up to 10 %, then throughput. The settings that win stand in
`benchmarks/servers.py`.
"""

import argparse
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from app.inference.cores import available_cores
from benchmarks.cells import Cell, closed
from benchmarks.fire.proof import BUNDLE
from benchmarks.servers import PEERS, TUTORIAL_PEERS, Entry, Running, Server, Unavailable, started
from benchmarks.tables import markdown, spread

_SAME = 1.10


def ways(server: Server, *, tensorflow: bool) -> Iterator[Server]:
    """Yield a server with each number of workers and threads that is worth trying."""
    cores = available_cores()
    everything = 0 if tensorflow else cores
    for workers, threads in ((cores, 1), (cores, everything), (1, everything)):
        yield replace(server, workers=workers, threads=threads)


def measure(running: list[Running], rounds: int, seconds: float) -> list[list[tuple[Cell, Cell]]]:
    """Return the cells for one client and for sixteen, by server and round."""
    cells: list[list[tuple[Cell, Cell]]] = [[] for _ in running]
    for _ in range(rounds):
        for own, server in zip(cells, running, strict=True):
            server.tree.resume()
            closed(server, "720x576", 4, 1)
            lone = closed(server, "720x576", 1, seconds)
            own.append((lone, closed(server, "720x576", 16, seconds)))
            server.tree.pause()
    return cells


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--tutorial", type=Path, help="round B: this bundle, in TensorFlow")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--peers", help="only these, separated by commas")
    options = parser.parse_args()
    tensorflow = options.tutorial is not None
    rows = []
    for peer in TUTORIAL_PEERS if tensorflow else PEERS:
        if options.peers and peer.name not in options.peers.split(","):
            continue
        with ExitStack() as stack:
            logs = Path(stack.enter_context(TemporaryDirectory()))
            running = []
            try:
                for number, server in enumerate(ways(peer, tensorflow=tensorflow)):
                    entry = Entry(
                        server, options.tutorial or options.bundle, "b" if tensorflow else "a"
                    )
                    running.append(stack.enter_context(started(entry, logs / str(number))))
                    running[-1].tree.pause()
            except Unavailable as fault:
                rows.append([peer.name, str(fault), "", "", ""])
                continue
            cells = measure(running, options.rounds, options.seconds)
        lone = [statistics.median(one["p50_ms"] for one, _ in own) for own in cells]
        busy = [statistics.median(many["throughput"] for _, many in own) for own in cells]
        equal = [n for n, value in enumerate(lone) if value <= min(lone) * _SAME]
        chosen = max(equal, key=lambda n: busy[n])
        rows += [
            [
                server.name,
                f"{server.entry.server.workers} x {server.entry.server.threads}",
                spread([one["p50_ms"] for one, _ in own]),
                spread([many["throughput"] for _, many in own]),
                "chosen" if number == chosen else "",
            ]
            for number, (server, own) in enumerate(zip(running, cells, strict=True))
        ]
    head = ["server", "workers x threads", "1 client, p50 in ms", "16 clients, requests/s", ""]
    Console(width=120).print(markdown(head, rows))


if __name__ == "__main__":
    main()
