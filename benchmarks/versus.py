"""This working tree against another commit, in turns: what a change is worth.

Usage: python -m benchmarks.versus COMMIT [--rounds 5] [--seconds 3] [--clients 1] [--beside 0]

Both are served with the same packages and the same bundle. While one is measured, the other is
stopped with SIGSTOP. `--before NAME=VALUE` and `--after NAME=VALUE` set environment variables, and
`--beside` is how many other programs compute meanwhile.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.cells import Cell, closed
from benchmarks.environments import ROOT
from benchmarks.fire.proof import BUNDLE
from benchmarks.neighbours import neighbours
from benchmarks.pictures import SIZES
from benchmarks.servers import SHIPPED, Entry, Running, started
from benchmarks.tables import markdown, ratio, spread

_FIGURES = {
    "cpu_ms": "processor ms a request",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "throughput": "requests/s",
}


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Check a commit out into a folder of its own, for a while."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True
        )
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def compare(
    sides: Sequence[Running], sizes: Sequence[str], clients: int, rounds: int, seconds: float
) -> dict[str, list[list[Cell]]]:
    """Measure both in turns; return the cells by size, side and round."""
    cells: dict[str, list[list[Cell]]] = {size: [[] for _ in sides] for size in sizes}
    for number in range(rounds):
        order = list(enumerate(sides))
        for side, running in order if number % 2 else reversed(order):
            running.tree.resume()
            closed(running, sizes[0], 2, 0.5)
            for size in sizes:
                cells[size][side].append(closed(running, size, clients, seconds))
            running.tree.pause()
    return cells


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--beside", type=int, default=0)
    parser.add_argument("--before", action="append", default=[])
    parser.add_argument("--after", action="append", default=[])
    options = parser.parse_args()
    entry = Entry(SHIPPED, options.bundle, "a")
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        before = stack.enter_context(checkout(options.commit))
        sides = []
        for name, tree, settings in (
            ("before", before, options.before),
            ("after", ROOT, options.after),
        ):
            variables = dict(setting.split("=", 1) for setting in settings)
            sides.append(
                stack.enter_context(started(entry, logs / name, tree=tree, variables=variables))
            )
            sides[-1].tree.pause()
        sizes = options.sizes.split(",")
        stack.enter_context(neighbours(options.beside))
        cells = compare(sides, sizes, options.clients, options.rounds, options.seconds)
    rows = []
    for size in sizes:
        for what, label in _FIGURES.items():
            old, new = ([float(cell[what]) for cell in side] for side in cells[size])
            rows.append([size, label, spread(old, 2), spread(new, 2), f"{ratio(new, old):.2f}"])
    Console().print(markdown(["picture", "figure", "before", "after", "after / before"], rows))
    print(
        f"{options.clients} clients, {options.rounds} rounds of {options.seconds:g} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
