"""Measures the service against its peers, on the same machine and in the same run.

Usage: python -m benchmarks.compare [--quick] [--rounds 5] [--out build/benchmarks]

Round A: the same bundle, engine, decoding and PNG in every server. Round B: the tutorial's network
in TensorFlow, in plain FastAPI and in mosec, whose environments hold it, against the service as it
is shipped. While one is measured, the others are stopped with SIGSTOP. The figures are written
after each round; a peer that dies is told with the reason, and the others go on.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import cells
from benchmarks.machine import describe
from benchmarks.masks import Masks
from benchmarks.pictures import SIZES
from benchmarks.servers import (
    OURS,
    PEERS,
    SHIPPED,
    TUTORIAL_PEERS,
    Entry,
    Round,
    Running,
    Unavailable,
    started,
)
from benchmarks.tables import best, last_line

QUICK = ("FastAPI", "mosec")
"""Peers of the quick run: what most people write, and the fastest one."""

SHIPPED_BUNDLE = Path("models/polyp-unet/1")
TUTORIAL_BUNDLE = Path("models/tutorial-unet/1")

_OPEN_S = 5.0
_IDLE_S = 10.0
_console = Console(stderr=True)

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: How often each server has its turn.
        seconds: Length of a closed loop.
        quick: Only what the last line needs.
        logs: Where servers write.
    """

    rounds: int
    seconds: float
    quick: bool
    logs: Path

    @property
    def loops(self) -> list[tuple[str, int]]:
        """Size and number of clients of each closed loop."""
        if self.quick:
            return [("720x576", 1), ("720x576", 16)]
        return [(size, clients) for size in SIZES for clients in (1, 4, 16)]

    @property
    def shares(self) -> Sequence[float]:
        """The open loops."""
        return (3.0,) if self.quick else cells.SHARES


def compare(
    entries: Iterable[Entry], plan: Plan, save: Callable[[Figures], None], *, whole: bool
) -> Figures:
    """Start all servers, and measure them in turns.

    Args:
        entries: What is to be started.
        plan: How much to measure.
        save: Called with the figures so far, after each round.
        whole: Whether to measure open loops, leaving clients and idle times as well.

    Returns:
        The figures by server, a value for each round; of a peer that cannot be had, or that failed
        while it was measured, the reason.

    Raises:
        OSError: The service itself failed.
        Unavailable: The same.
    """
    figures: Figures = {}
    with ExitStack() as stack:
        running = []
        masks = Masks()
        for entry in entries:
            _console.print(f"starting {entry.name}")
            with _excused(entry.name, figures):
                server = stack.enter_context(started(entry, plan.logs))
                with _awake(server):
                    figures[entry.name] = _first_figures(server, masks)
                running.append(server)
        capacity = max(_capacity(server) for server in running)
        for number in range(plan.rounds):
            # Nobody is always the first of a round.
            shift = number % len(running)
            for server in running[shift:] + running[:shift]:
                _console.print(f"round {number + 1} of {plan.rounds}: {server.name}")
                with _excused(server.name, figures), _awake(server):
                    cells.closed(server, "720x576", 2, 1)
                    _turn(server, figures[server.name], plan)
                    if whole:
                        _open_turn(server, figures[server.name], plan, capacity, number)
                    if server.tree.root.poll() is not None:
                        raise Unavailable(f"{server.name}: it ended while it was measured")
                    figures[server.name]["memory"].append(server.tree.memory())
            running = [server for server in running if "unavailable" not in figures[server.name]]
            save({"capacity": capacity, "servers": figures})
    return {"capacity": capacity, "servers": figures}


@contextmanager
def _excused(name: str, figures: Figures) -> Iterator[None]:
    """Note why a peer cannot be measured; what we measure it against has no excuse."""
    try:
        yield
    except (OSError, Unavailable) as fault:
        if name == OURS:
            raise
        reason = str(fault) or type(fault).__name__
        _console.print(f"{name} is left out: {reason}")
        figures[name] = {"unavailable": reason}


@contextmanager
def _awake(server: Running) -> Iterator[None]:
    """Let a server run for a while, and give the cores to the others then, whatever happens."""
    server.tree.resume()
    try:
        yield
    finally:
        server.tree.pause()


def _first_figures(server: Running, masks: Masks) -> Figures:
    return {
        "ready_s": server.ready_s,
        "memory_ready": server.tree.memory(),
        "workers": server.entry.server.workers,
        "threads": server.entry.server.threads,
        "masks": masks.differences(server.target),
        "closed": {},
        "open": {},
        "lone": [],
        "leavers": [],
        "idle": [],
        "memory": [],
    }


def _capacity(server: Running) -> float:
    with _awake(server):
        cells.closed(server, "720x576", 4, 2)
        throughput: float = cells.closed(server, "720x576", 16, 4)["throughput"]
    return throughput


def _turn(server: Running, own: Figures, plan: Plan) -> None:
    for size, clients in plan.loops:
        cell = cells.closed(server, size, clients, plan.seconds)
        if not cell["throughput"]:
            raise Unavailable(
                f"{server.name}: no answer with status 200 to {clients} clients, {size}"
            )
        own["closed"].setdefault(f"{size}/{clients}", []).append(cell)
    if not plan.quick:
        own["lone"].append(cells.after_idle(server, 4))


def _open_turn(server: Running, own: Figures, plan: Plan, capacity: float, seed: int) -> None:
    for share in plan.shares:
        cell = cells.opened(server, share, capacity, _OPEN_S, seed)
        own["open"].setdefault(f"{share:.0%}", []).append(cell)
    if not plan.quick:
        own["leavers"].append(cells.left(server, plan.seconds))
        own["idle"].append(cells.idle(server, _IDLE_S))


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=SHIPPED_BUNDLE)
    parser.add_argument("--tutorial", type=Path, default=TUTORIAL_BUNDLE)
    parser.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} alone")
    parser.add_argument("--rounds", type=int, help="5 if not given, 3 with --quick")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a closed loop")
    parser.add_argument("--peers", help="only these, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    plan = Plan(
        options.rounds or (3 if options.quick else 5),
        options.seconds,
        options.quick,
        options.out / "logs",
    )
    wanted = options.peers.split(",") if options.peers else QUICK if plan.quick else None
    peers = [peer for peer in PEERS if wanted is None or peer.name in wanted]
    began = time.monotonic()
    results: Figures = {
        "machine": describe(),
        "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "open_seconds": _OPEN_S},
        "bundles": {"a": options.bundle.name, "b": options.tutorial.name},
    }

    def save(round_: Round, figures: Figures) -> None:
        results["minutes"] = (time.monotonic() - began) / 60
        results[round_] = figures
        write(options.out / "results.json", results)

    in_a = [Entry(server, options.bundle, "a") for server in (SHIPPED, *peers)]
    a = compare(in_a, plan, partial(save, "a"), whole=True)
    in_b = [peer for peer in TUTORIAL_PEERS if wanted is None or peer.name in {"FastAPI", *wanted}]
    fast = best(a)
    if fast and fast not in {peer.name for peer in in_b}:
        _console.print(f"{fast} is the best peer of round A, and not in round B")
    compare(
        [Entry(SHIPPED, options.bundle, "a"), *(Entry(s, options.tutorial, "b") for s in in_b)],
        plan,
        partial(save, "b"),
        whole=False,
    )
    print(last_line(results))


def write(path: Path, results: Figures) -> None:
    """Write the figures, or leave the file as it is: an hour may be in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1) + "\n")
    new.replace(path)


if __name__ == "__main__":
    main()
