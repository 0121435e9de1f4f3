"""Figures of a protocol from the scores of its frames."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model_training.evaluation.figures import negative_figures, polyp_figures
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.metrics import Confusion
from model_training.evaluation.scoring import FrameScore

MakeScore = Callable[..., FrameScore]
FEW = Bootstrap(resamples=200)


def test_means_and_pools(make_score: MakeScore) -> None:
    # True positive, false positive, false negative of a small and of a large polyp.
    scores = [
        make_score("a", counts=(10, 0, 10), operating=(10, 0, 0), mean_absolute_error=0.25),
        make_score("b", counts=(300, 100, 0), mean_absolute_error=0.75),
    ]
    figures = polyp_figures(scores, bootstrap=FEW)
    assert figures.values == {
        "dice": pytest.approx((20 / 30 + 600 / 700) / 2),
        "iou": pytest.approx((10 / 20 + 300 / 400) / 2),
        "recall": pytest.approx((0.5 + 1) / 2),
        "precision": pytest.approx((1 + 0.75) / 2),
        "mae": pytest.approx(0.5),
        "pooled_dice": pytest.approx(2 * 310 / (2 * 310 + 100 + 10)),
        "pooled_recall": pytest.approx(310 / 320),
        "pooled_precision": pytest.approx(310 / 410),
        "operating_dice": pytest.approx((1 + 600 / 700) / 2),
        "threshold_mean_dice": pytest.approx(0.5),
        "ece": 0.0,
        "missed_rate": 0.0,
    }


def test_a_polyp_of_which_no_pixel_is_marked_is_missed(make_score: MakeScore) -> None:
    scores = [
        make_score("marked elsewhere", counts=(0, 50, 20)),
        make_score("nothing marked", counts=(0, 0, 20)),
        make_score("touched", counts=(1, 50, 19)),
        make_score("found", counts=(20, 0, 0)),
    ]

    figures = polyp_figures(scores, bootstrap=FEW)

    assert figures.values["missed_rate"] == 0.5
    low, high = figures.intervals["missed_rate"]
    assert 0 < low < 0.5 < high < 1


def test_the_cost_of_shards_is_a_difference_on_the_same_frames(make_score: MakeScore) -> None:
    scores = [
        replace(make_score(str(n), counts=(n + 50, 20, 20)), shard=Confusion(n + 49, 21, 21))
        for n in range(20)
    ]
    figures = polyp_figures(scores, bootstrap=FEW)
    shard_dice = np.mean([2 * (n + 49) / (2 * (n + 49) + 42) for n in range(20)])
    assert figures.values["shard_dice"] == pytest.approx(shard_dice)
    assert figures.values["shard_cost"] == pytest.approx(figures.values["dice"] - shard_dice)
    low, high = figures.intervals["shard_cost"]
    assert high - low < np.subtract(*figures.intervals["dice"][::-1]) / 10
    half = [replace(score, shard=None) if n % 2 else score for n, score in enumerate(scores)]
    assert "shard_dice" not in polyp_figures(half, bootstrap=FEW).values


def test_the_tutorials_dice_depends_on_batches(make_score: MakeScore) -> None:
    scores = [
        make_score("a", overlap=(10, 20, 20)),
        make_score("b", overlap=(0, 10, 10)),
        make_score("c", overlap=(30, 30, 30)),
    ]
    of_two = polyp_figures(scores, batch=2, bootstrap=FEW).values["tutorial_dice"]
    assert of_two == pytest.approx((20 / 60 + 60 / 60) / 2)
    of_three = polyp_figures(scores, batch=3, bootstrap=FEW).values["tutorial_dice"]
    assert of_three == pytest.approx(80 / 120)


def test_calibration_is_pooled_over_frames(make_score: MakeScore) -> None:
    bins = np.zeros((2, 3, 15))
    bins[0, :, 14] = 100, 95, 90
    bins[1, :, 14] = 300, 285, 300
    scores = [make_score(str(n), calibration=one) for n, one in enumerate(bins)]
    ece = polyp_figures(scores, bootstrap=FEW).values["ece"]
    assert ece == pytest.approx(abs(380 - 390) / 400)


def test_every_figure_has_an_interval_that_holds_it(make_score: MakeScore) -> None:
    random = np.random.default_rng(0)
    bins = random.random((40, 3, 15))
    scores = [
        make_score(
            str(n),
            counts=tuple(random.integers(1, 100, 3)),
            overlap=tuple(np.sort(random.uniform(1, 50, 3))),
            sequence=f"video/{n % 15}",
            calibration=bins[n],
        )
        for n in range(40)
    ]
    figures = polyp_figures(scores, batch=8, bootstrap=FEW)
    assert figures.values.keys() == figures.intervals.keys()
    for name in figures.values.keys() - {"ece"}:  # the error of a resample is biased upwards
        low, high = figures.intervals[name]
        assert low <= figures.values[name] <= high, name
    low, high = figures.intervals["dice"]
    assert 0.02 < high - low < 0.3


def test_one_sequence_has_figures_but_no_interval(make_score: MakeScore) -> None:
    scores = [make_score(str(n), sequence="video/1") for n in range(3)]
    figures = polyp_figures(scores, bootstrap=FEW)
    assert figures.values["dice"] == pytest.approx(0.75)
    assert figures.intervals == {}


def test_a_false_alarm_is_more_than_a_thousandth_of_the_frame(make_score: MakeScore) -> None:
    def healthy(key: str, marked: int, at_operating: int) -> FrameScore:
        return make_score(
            key, counts=(0, marked, 0), operating=(0, at_operating, 0), size=(100, 100)
        )

    scores = [healthy("a", 0, 0), healthy("b", 10, 0), healthy("c", 11, 10), healthy("d", 99, 12)]
    figures = negative_figures(scores)
    assert figures.values == {"false_alarm_rate": 0.5, "operating_false_alarm_rate": 0.25}
    low, high = figures.intervals["false_alarm_rate"]
    assert 0 < low < 0.5 < high < 1


def test_no_false_alarm_is_not_certainty(make_score: MakeScore) -> None:
    scores = [make_score(str(n), counts=(0, 0, 0)) for n in range(150)]
    low, high = negative_figures(scores).intervals["false_alarm_rate"]
    assert low == 0
    assert 0.02 < high < 0.03
