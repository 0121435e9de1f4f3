"""Bootstrap and Wilson intervals against SciPy and against what they must not depend on."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from model_training.evaluation.intervals import (
    Bootstrap,
    bootstrap_intervals,
    draws,
    wilson_interval,
)


def intervals_of(
    values: NDArray[np.float64], groups: list[str], bootstrap: Bootstrap | None = None
) -> tuple[float, float]:
    def statistic(rows: NDArray[np.intp]) -> dict[str, float]:
        return {"mean": float(values[rows].mean())}

    return bootstrap_intervals(statistic, groups, bootstrap or Bootstrap())["mean"]


def test_single_frames_agree_with_scipy() -> None:
    values = np.random.default_rng(1).beta(8, 2, size=80)
    found = intervals_of(values, [str(n) for n in range(80)], Bootstrap(resamples=4000))
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.003)


def test_copies_of_a_frame_in_one_sequence_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(4).random(20)
    alone = intervals_of(values, [f"{n:02}" for n in range(20)])
    copied = intervals_of(np.repeat(values, 30), [f"{n:02}" for n in range(20) for _ in range(30)])
    assert copied == pytest.approx(alone)
    thought_independent = intervals_of(np.repeat(values, 30), [str(n) for n in range(600)])
    assert np.diff(thought_independent) < np.diff(alone) / 3


def test_a_group_is_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "b", "a"]
    sizes = {"a": 3, "b": 2, "c": 1}
    for rows in draws(groups, Bootstrap(resamples=50)):
        times = {name: sum(groups[row] == name for row in rows) / sizes[name] for name in sizes}
        assert sum(times.values()) == 3
        assert all(time == int(time) for time in times.values())
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[2] == counts[5]


def test_equal_seeds_give_equal_intervals() -> None:
    values, groups = np.random.default_rng(5).random(30), [str(n) for n in range(30)]
    settings = Bootstrap(resamples=200)
    assert intervals_of(values, groups, settings) == intervals_of(values, groups, settings)
    other = Bootstrap(resamples=200, seed=1)
    assert intervals_of(values, groups, settings) != intervals_of(values, groups, other)


def test_a_higher_level_is_wider() -> None:
    values, groups = np.random.default_rng(6).random(30), [str(n) for n in range(30)]
    low, high = intervals_of(values, groups, Bootstrap(level=0.8))
    lower, higher = intervals_of(values, groups, Bootstrap(level=0.99))
    assert lower < low < high < higher


@pytest.mark.parametrize("groups", [[], ["only", "only"]])
def test_fewer_than_two_groups_have_no_interval(groups: list[str]) -> None:
    assert bootstrap_intervals(lambda _: {"mean": 1.0}, groups, Bootstrap()) == {}


@pytest.mark.parametrize(("hits", "trials"), [(0, 150), (3, 150), (75, 150), (150, 150), (1, 1)])
def test_wilson_agrees_with_scipy(hits: int, trials: int) -> None:
    expected = stats.binomtest(hits, trials).proportion_ci(method="wilson")
    assert wilson_interval(hits, trials) == pytest.approx((expected.low, expected.high))
