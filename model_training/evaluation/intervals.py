"""How far a figure may lie from what more frames would give: 95 % intervals."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The standard normal quantile of 0.975.
NORMAL_QUANTILE = 1.959963984540054

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Settings of the percentile bootstrap (Efron 1979).

    Attributes:
        resamples: How often the frames are drawn again.
        level: Share of the resamples that an interval holds, in (0, 1).
        seed: Of the draws: the same frames give the same interval.
    """

    resamples: int = 2000
    level: float = 0.95
    seed: int = 0


def draws(groups: Sequence[str], bootstrap: Bootstrap) -> Iterator[NDArray[np.intp]]:
    """Draw frames again, whole groups at a time.

    Frames of one video sequence are near copies of each other: drawn one by one they would pass
    for independent, and the interval would be far too narrow.

    Args:
        groups: The group of each frame, in the order of the frames.
        bootstrap: How many draws, and their seed.

    Yields:
        Row numbers, int `[n]`: as many groups as there are, drawn with replacement, each with all
        of its frames, in random order.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(group == one) for one in range(group.max(initial=-1) + 1)]
    generator = np.random.default_rng(bootstrap.seed)
    for drawn in generator.integers(len(members), size=(bootstrap.resamples, len(members))):
        yield generator.permutation(np.concatenate([members[one] for one in drawn]))


def bootstrap_intervals(
    statistic: Callable[[NDArray[np.intp]], Mapping[str, float]],
    groups: Sequence[str],
    bootstrap: Bootstrap,
) -> dict[str, Interval]:
    """Compute the interval of several figures from one set of draws.

    Args:
        statistic: From row numbers to figures by name.
        groups: The group of each frame: frames of one group are drawn together.
        bootstrap: Settings.

    Returns:
        Lower and upper end by name; empty with fewer than two groups, which cannot vary.
    """
    if len(set(groups)) < 2:
        return {}
    rows = [statistic(rows) for rows in draws(groups, bootstrap)]
    tail = (1 - bootstrap.level) / 2
    ends: dict[str, Interval] = {}
    for name in rows[0]:
        low, high = np.quantile([row[name] for row in rows], [tail, 1 - tail])
        ends[name] = (float(low), float(high))
    return ends


def wilson_interval(hits: int, trials: int) -> Interval:
    """Compute the 95 % score interval of a rate (Wilson 1927).

    A bootstrap of no hit at all would claim certainty; this does not.

    Args:
        hits: How often it happened, 0 to `trials`.
        trials: How often it could have happened, at least 1.
    """
    rate, z2 = hits / trials, NORMAL_QUANTILE**2
    centre = rate + z2 / (2 * trials)
    spread = NORMAL_QUANTILE * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    # Exact at the ends, where rounding would leave 1e-18.
    low = (centre - spread) / scale if hits else 0.0
    high = (centre + spread) / scale if hits < trials else 1.0
    return low, high
