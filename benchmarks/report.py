"""Writes the tables and plots of a comparison into `docs/benchmarks.md`.

Usage: python -m benchmarks.report build/benchmarks/results.json
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.plots import draw
from benchmarks.servers import OURS
from benchmarks.tables import (
    MAIN,
    NOBODY,
    Figures,
    against,
    available,
    best,
    closed_table,
    goodput,
    last_line,
    markdown,
    open_table,
    plain,
    standing_table,
)

PAGE = ROOT / "docs" / "benchmarks.md"
RECORD = ROOT / "docs" / "benchmarks.json"
IMAGES = ROOT / "docs" / "images"

_BEGIN, _END = "<!-- written by benchmarks.report -->\n", "<!-- end -->"


def report(results: Mapping[str, Any]) -> str:
    """Return everything that was measured, as Markdown, also of a run that was cut off."""
    a, b = results["a"], results.get("b", NOBODY)
    machine, plan = results["machine"], results["plan"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    peers = ", ".join(f"{name} {number}" for name, number in machine["peers"].items())
    rounds = len(a["servers"][OURS]["memory"])
    parts = [
        (
            f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
            f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; "
            f"{packages}; peers: {peers}. {rounds} rounds; closed loops of "
            f"{plan['seconds']:g} s, open loops of {plan['open_seconds']:g} s; "
            f"{results['minutes']:.0f} minutes in all."
        ),
        f"```\n{last_line(results)}\n```",
        "### What was promised",
        _promises(a, b),
        "### Round A: the same bundle, engine, decoding and PNG in every server",
        "![Throughput and median time](images/benchmarks-closed.png)",
    ]
    for size in _sizes(a):
        parts += [f"Requests a second, closed loop, {size}:", closed_table(a, size, "throughput")]
        parts += [f"Median time in ms, closed loop, {size}:", closed_table(a, size, "p50_ms")]
        parts += [f"Processor ms a request, {size}:", closed_table(a, size, "cpu_ms")]
    parts += [
        (
            f"Open loop, {MAIN}, callers who wait 2 s; 100% is {a['capacity']:.1f} requests a "
            "second. Answers in time a second, and the p99 of their times:"
        ),
        open_table(a),
        "![Goodput against offered load](images/benchmarks-open.png)",
        "What it costs to have the server there:",
        standing_table(a),
    ]
    if not available(b):
        return "\n\n".join(parts) + "\n"
    parts += ["### Round B: the tutorial's network in TensorFlow, against the service as shipped"]
    for size in _sizes(b):
        parts += [f"Requests a second, closed loop, {size}:", closed_table(b, size, "throughput")]
        parts += [f"Median time in ms, closed loop, {size}:", closed_table(b, size, "p50_ms")]
    parts += [standing_table(b)]
    return "\n\n".join(parts) + "\n"


def _sizes(round_: Mapping[str, Any]) -> list[str]:
    cells = next(iter(available(round_).values()))["closed"]
    return list(dict.fromkeys(cell.partition("/")[0] for cell in cells))


def _promises(a: Figures, b: Figures) -> str:
    busy, alone = f"{MAIN}/16", f"{MAIN}/1"
    many, one = "throughput, 16 clients, against", "p50, 1 client, against"
    rows: list[tuple[str, float, float]] = []
    fast, quick, usual = best(a), best(a, alone, "p50_ms", highest=False), plain(b)
    if fast and quick:
        kept, peer = goodput(a, "300%")
        rows += [
            (f"A: {many} {fast}", against(a, fast, busy, "throughput"), 1.05),
            (f"A: {one} {quick}", against(a, quick, alone, "p50_ms"), -1.0),
            (f"A: goodput, 300% open loop, against {peer}", kept, 1.2),
        ]
    if usual:
        rows += [
            (f"B: {many} {usual}", against(b, usual, busy, "throughput"), 3),
            (f"B: {one} {usual}", against(b, usual, alone, "p50_ms"), -0.4),
        ]
    return markdown(
        ["what", "ours / theirs", "promised", ""],
        (
            [
                what,
                f"{value:.2f}",
                f"at {'least' if bound > 0 else 'most'} {abs(bound):g}",
                "holds" if (value >= bound if bound > 0 else value <= -bound) else "**missed**",
            ]
            for what, value, bound in rows
        ),
    )


def main() -> None:
    """Write."""
    results = json.loads(Path(sys.argv[1]).read_text())
    RECORD.write_text(json.dumps(results, separators=(",", ":")) + "\n")
    draw(results, IMAGES)
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{report(results)}\n{_END}{after}")


if __name__ == "__main__":
    main()
