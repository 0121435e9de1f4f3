"""What a figure owes to luck: its mean and spread over trainings that differ in their seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from model_training.evaluation.record import Kept, RecordError, require_equal

Spreads = dict[str, dict[str, "Spread"]]
"""By row and figure."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several seeds.

    Attributes:
        mean: Of the seeds.
        deviation: Standard deviation of the sample, with n - 1.
    """

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.deviation:.4f}"


def spread(runs: Sequence[Kept]) -> Spreads:
    """Compute mean and standard deviation over models that differ in their seed alone.

    Args:
        runs: At least two, of one recipe and one split, each with another seed.

    Returns:
        The rows and figures that all runs have.

    Raises:
        RecordError: Recipes, settings or splits differ, or there are not two seeds.
    """
    alike = ("recipe", "split", "split_hash", "settings_sha256", "input", "parameters")
    require_equal(runs, alike, "Models whose figures are to have a mean")
    seeds = sorted(run.record.seed for run in runs)
    if len(set(seeds)) < max(2, len(seeds)):
        raise RecordError(f"A spread needs different seeds: given {', '.join(map(str, seeds))}.")
    figures = [_flat(run) for run in runs]
    spreads: Spreads = {}
    for row, name in figures[0]:
        values = [of_run[row, name] for of_run in figures if (row, name) in of_run]
        if len(values) == len(runs):
            spreads.setdefault(row, {})[name] = Spread(mean(values), stdev(values))
    return spreads


def _flat(run: Kept) -> dict[tuple[str, str], float]:
    rows = run.record.rows
    return {(row, name): value for row in rows for name, value in rows[row].figures.items()}
