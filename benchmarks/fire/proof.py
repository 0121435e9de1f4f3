"""A promise, the figure that was measured, and whether it holds."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

BUNDLE = Path("models/polyp-unet/1")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        what: What was measured.
        value: What came out.
        bound: What was promised; None for a figure that only explains the others.
        unit: Unit of both.
        least: Whether the bound is a lower one.
    """

    what: str
    value: float
    bound: float | None = None
    unit: str = ""
    least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.least else self.value <= self.bound


def options(doc: str | None, **extra: float) -> argparse.Namespace:
    """Read the command line: the bundle, and numbers with their defaults."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="folder of its version")
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def conclude(figures: Iterable[Figure]) -> NoReturn:
    """Print a table, and exit with 1 if a promise is broken."""
    table = Table("what", "figure", "promised", "")
    broken = False
    for figure in figures:
        limit = "" if figure.bound is None else f"{'>=' if figure.least else '<='} {figure.bound:g}"
        verdict = "" if figure.bound is None else "holds" if figure.holds else "BROKEN"
        broken |= not figure.holds
        table.add_row(figure.what, f"{figure.value:.4g} {figure.unit}".strip(), limit, verdict)
    Console(width=110).print(table)
    sys.exit(1 if broken else 0)
