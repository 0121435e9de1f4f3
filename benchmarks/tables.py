"""From the figures of the comparison to tables: medians over the rounds, with their spread."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.servers import OURS

Figures = Mapping[str, Any]

MAIN = "720x576"

NOBODY: Figures = {"servers": {}}
"""A round that nobody was measured in."""


def available(round_: Figures) -> dict[str, Figures]:
    """Return the servers that could be measured."""
    return {name: own for name, own in round_["servers"].items() if "unavailable" not in own}


def values(own: Figures, cell: str, what: str) -> list[float]:
    """Return a figure of a closed loop, one for each round."""
    return [float(row[what]) for row in own["closed"][cell] if row[what] is not None]


def best(
    round_: Figures, cell: str = f"{MAIN}/16", what: str = "throughput", *, highest: bool = True
) -> str | None:
    """Name the peer whose median is the best, if one could be measured."""
    medians = {
        name: statistics.median(values(own, cell, what))
        for name, own in available(round_).items()
        if name != OURS
    }
    return (max if highest else min)(medians, key=lambda name: medians[name], default=None)


def plain(round_: Figures) -> str | None:
    """Name plain FastAPI as it is called in a round, if it could be measured."""
    return next((name for name in available(round_) if name.startswith("FastAPI")), None)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios within each round: what slows a round slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def against(round_: Figures, peer: str, cell: str, what: str) -> float:
    """Return our figure as a multiple of a peer's."""
    servers = round_["servers"]
    return ratio(values(servers[OURS], cell, what), values(servers[peer], cell, what))


def goodput(round_: Figures, share: str) -> tuple[float, str]:
    """Return our goodput in an open loop as a multiple of the best peer's, and its name.

    Raises:
        ValueError: No peer could be measured.
    """
    servers = available(round_)
    rows = {name: [row["goodput"] for row in own["open"][share]] for name, own in servers.items()}
    ours = rows.pop(OURS)
    peer = max(rows, key=lambda name: statistics.median(rows[name]))
    floor = [max(value, 0.01) for value in rows[peer]]
    return ratio(ours, floor), peer


def last_line(results: Figures) -> str:
    """Return the comparison in one line."""
    a, b = results["a"], results.get("b", NOBODY)
    fast, quick, usual = best(a), best(a, f"{MAIN}/1", "p50_ms", highest=False), plain(b)
    parts = []
    if fast and quick:
        name = fast if fast == quick else f"{fast}; p50: {quick}"
        parts.append(f"round A: {_ratios(a, fast, quick)} of the best peer ({name})")
    if usual:
        parts.append(f"round B: {_ratios(b, usual, usual)}")
    return "; ".join(parts) or "no peer could be measured"


def _ratios(round_: Figures, fast: str, quick: str) -> str:
    throughput = against(round_, fast, f"{MAIN}/16", "throughput")
    p50 = against(round_, quick, f"{MAIN}/1", "p50_ms")
    return f"throughput {throughput:.2f}x, p50 {p50:.2f}x"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(numbers: Sequence[float], digits: int = 1) -> str:
    """Return the median with the smallest and the largest value."""
    if not numbers:
        return "none"
    low, middle, high = min(numbers), statistics.median(numbers), max(numbers)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def closed_table(round_: Figures, size: str, what: str, digits: int = 1) -> str:
    """Return a figure of the closed loops of a size, by server and number of clients."""
    servers = available(round_)
    clients = sorted(
        {
            int(cell.partition("/")[2])
            for own in servers.values()
            for cell in own["closed"]
            if cell.startswith(size)
        }
    )
    return markdown(
        ["server", *(f"{n} client{'s' * (n > 1)}" for n in clients)],
        (
            [name, *(spread(values(own, f"{size}/{n}", what), digits) for n in clients)]
            for name, own in servers.items()
        ),
    )


def open_table(round_: Figures) -> str:
    """Return the open loops: goodput and the time of a good answer."""
    servers = available(round_)
    shares = list(next(iter(servers.values()))["open"])

    def row(name: str, own: Figures) -> list[str]:
        cells = []
        for share in shares:
            rows = own["open"][share]
            late = [r["p99_ms"] for r in rows if r["p99_ms"] is not None]
            p99 = f"{statistics.median(late):.0f} ms" if late else "none"
            cells.append(f"{spread([r['goodput'] for r in rows])}; {p99}")
        return [name, *cells]

    return markdown(["server", *shares], (row(name, own) for name, own in servers.items()))


def standing_table(round_: Figures) -> str:
    """Return what a server costs, and what it does for a lone caller and among leaving ones."""
    columns: dict[str, Callable[[Figures], str]] = {
        "settings": lambda own: f"{own['workers']} x {own['threads']} threads",
        "ready, s": lambda own: f"{own['ready_s']:.1f}",
        "memory when ready, MB": lambda own: f"{own['memory_ready'] / 1e6:.0f}",
        "memory after load, MB": lambda own: f"{max(own['memory']) / 1e6:.0f}",
        "idle, % of a core": lambda own: spread([100 * share for share in own["idle"]]),
        "lone after idle, ms": lambda own: spread(
            [row["p50_ms"] for row in own["lone"] if row["p50_ms"] is not None]
        ),
        "four clients among leavers, 1/s": lambda own: spread(
            [row["throughput"] for row in own["leavers"]]
        ),
        "largest difference of a mask, pixels": lambda own: str(max(own["masks"].values())),
    }
    kept = {
        head: cell
        for head, cell in columns.items()
        if not (
            head.startswith(("idle", "four")) and not next(iter(available(round_).values()))["idle"]
        )
    }
    rows = []
    for name, own in round_["servers"].items():
        if "unavailable" in own:
            rows.append(
                [name, f"could not be measured: {own['unavailable']}", *[""] * (len(kept) - 1)]
            )
        elif name == OURS:
            rows.append(
                [
                    name,
                    "chosen at start-up",
                    *(cell(own) for head, cell in kept.items() if head != "settings"),
                ]
            )
        else:
            rows.append([name, *(cell(own) for cell in kept.values())])
    return markdown(["server", *kept], rows)
