"""Tables on a terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from model_training.evaluation.results import LABELS, Result, result_lines, robustness_lines
from model_training.evaluation.seeds import Spreads


def results_table(results: Sequence[Result]) -> Table:
    """Show a column for each row of an evaluation."""
    heading, *lines = result_lines(results)
    table = _table(heading)
    for line in lines:
        table.add_row(*line)
    return table


def robustness_table(results: Sequence[Result]) -> Table:
    """Show what each perturbation costs, a column for each row of an evaluation."""
    heading, *lines = robustness_lines(results)
    table = _table(heading)
    for line in lines:
        table.add_row(*line)
    return table


def spread_table(spreads: Spreads) -> Table:
    """Show mean and standard deviation over seeds, a column for each row."""
    table = _table(("", *spreads))
    for name, label in LABELS.items():
        if any(name in figures for figures in spreads.values()):
            table.add_row(label, *(str(figures.get(name, "")) for figures in spreads.values()))
    return table


def _table(heading: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, name in enumerate(heading):
        # Names break after a slash, and intervals fall below their values where it is narrow.
        table.add_column(
            name.replace("/", "/\n"), min_width=13, no_wrap=place == 0, overflow="fold"
        )
    return table
