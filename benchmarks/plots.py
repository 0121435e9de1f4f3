"""Pictures of the comparison."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt

from benchmarks.servers import OURS
from benchmarks.tables import MAIN, available, values

_OURS, _PEER = "#1b7f5c", "#9aa5b1"


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw round A, and return the files."""
    return [_closed(results["a"], folder), _open(results["a"], folder)]


def _closed(round_: Mapping[str, Any], folder: Path) -> Path:
    """Throughput with 16 clients and time with one, each with the spread over the rounds."""
    servers = available(round_)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, cell, what, title in (
        (axes[0], f"{MAIN}/16", "throughput", "16 clients: requests a second (more is better)"),
        (axes[1], f"{MAIN}/1", "p50_ms", "1 client: median time in ms (less is better)"),
    ):
        rows = {name: values(own, cell, what) for name, own in servers.items()}
        medians = [statistics.median(row) for row in rows.values()]
        low = [middle - min(row) for middle, row in zip(medians, rows.values(), strict=True)]
        high = [max(row) - middle for middle, row in zip(medians, rows.values(), strict=True)]
        colours = [_OURS if name == OURS else _PEER for name in rows]
        axis.barh(list(rows), medians, xerr=[low, high], color=colours, ecolor="#444444")
        axis.invert_yaxis()
        axis.set_title(title, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    return _save(figure, folder / "benchmarks-closed.png")


def _open(round_: Mapping[str, Any], folder: Path) -> Path:
    """Goodput against offered load."""
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for name, own in available(round_).items():
        cells = own["open"].values()
        offered = [statistics.median(row["offered"] for row in rows) for rows in cells]
        good = [statistics.median(row["goodput"] for row in rows) for rows in cells]
        ours = name == OURS
        axis.plot(
            offered, good, "o-", label=name, color=_OURS if ours else None, lw=3 if ours else 1
        )
    axis.set_xlabel("requests offered a second")
    axis.set_ylabel("answered in 2 s, a second")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return _save(figure, folder / "benchmarks-open.png")


def _save(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return path
