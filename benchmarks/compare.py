"""Measures the service against its peers, on the same machine and in the same run.

Usage: python -m benchmarks.compare [--quick] [--rounds 5] [--out build/benchmarks]

Round A: the same bundle, engine, decoding and PNG in every server. Round B: the tutorial's network
in TensorFlow, in plain FastAPI and in the best peer, against the service as it is shipped. While
one is measured, the others are stopped with SIGSTOP.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import cells
from benchmarks.machine import describe
from benchmarks.masks import Masks
from benchmarks.pictures import SIZES
from benchmarks.servers import PEERS, SHIPPED, TUTORIAL_PEERS, Entry, Running, Unavailable, started
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


def compare(entries: Iterable[Entry], plan: Plan, *, whole: bool) -> Figures:
    """Start all servers, and measure them in turns.

    Args:
        entries: What is to be started.
        plan: How much to measure.
        whole: Whether to measure open loops, leaving clients and idle times as well.

    Returns:
        The figures by server, a value for each round; of one that cannot be had, the reason.
    """
    figures: Figures = {}
    with ExitStack() as stack:
        running = []
        masks = Masks()
        for entry in entries:
            _console.print(f"starting {entry.name}")
            try:
                server = stack.enter_context(started(entry, plan.logs))
            except Unavailable as fault:
                figures[entry.name] = {"unavailable": str(fault)}
                continue
            running.append(server)
            figures[entry.name] = _first_figures(server, masks)
            server.tree.pause()
        capacity = max(_capacity(server) for server in running)
        for number in range(plan.rounds):
            # Nobody is always the first of a round.
            shift = number % len(running)
            for server in running[shift:] + running[:shift]:
                _console.print(f"round {number + 1} of {plan.rounds}: {server.name}")
                server.tree.resume()
                cells.closed(server, "720x576", 2, 1)
                _turn(server, figures[server.name], plan)
                if whole:
                    _open_turn(server, figures[server.name], plan, capacity, number)
                figures[server.name]["memory"].append(server.tree.memory())
                server.tree.pause()
    return {"capacity": capacity, "servers": figures}


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
    server.tree.resume()
    cells.closed(server, "720x576", 4, 2)
    throughput: float = cells.closed(server, "720x576", 16, 4)["throughput"]
    server.tree.pause()
    return throughput


def _turn(server: Running, own: Figures, plan: Plan) -> None:
    for size, clients in plan.loops:
        cell = cells.closed(server, size, clients, plan.seconds)
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
    a = compare([Entry(s, options.bundle, "a") for s in (SHIPPED, *peers)], plan, whole=True)
    in_b = [peer for peer in TUTORIAL_PEERS if peer.name in {"FastAPI", best(a)}]
    b = compare(
        [Entry(SHIPPED, options.bundle, "a"), *(Entry(s, options.tutorial, "b") for s in in_b)],
        plan,
        whole=False,
    )
    results = {
        "machine": describe(),
        "plan": {"rounds": plan.rounds, "seconds": plan.seconds, "open_seconds": _OPEN_S},
        "bundles": {"a": options.bundle.name, "b": options.tutorial.name},
        "minutes": (time.monotonic() - began) / 60,
        "a": a,
        "b": b,
    }
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(last_line(results))


if __name__ == "__main__":
    main()
