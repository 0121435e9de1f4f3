"""Tables on a terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from model_training.evaluation.results import LABELS, Result, result_lines, robustness_lines
from model_training.evaluation.seeds import Spreads


def results_table(results: Sequence[Result]) -> Table:
    """Show a column for each row of an evaluation."""
    return _table(*result_lines(results))


def robustness_table(results: Sequence[Result]) -> Table:
    """Show what each perturbation costs, a column for each row of an evaluation."""
    return _table(*robustness_lines(results))


def spread_table(spreads: Spreads) -> Table:
    """Show mean and standard deviation over seeds, a column for each row."""
    lines = [
        (label, *(str(figures.get(name, "")) for figures in spreads.values()))
        for name, label in LABELS.items()
        if any(name in figures for figures in spreads.values())
    ]
    return _table(("", *spreads), *lines)


def _table(heading: Sequence[str], *lines: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(heading):
        # Names break after a slash, and intervals fall below their values where it is narrow.
        table.add_column(
            name.replace("/", "/\n"), min_width=13, no_wrap=place == 0, overflow="fold"
        )
    for line in lines:
        table.add_row(*line)
    return table
