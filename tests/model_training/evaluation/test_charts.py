"""Charts draw the numbers they are given."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from model_training.evaluation.charts import (
    dice_by_area,
    dice_histogram,
    learning_curves,
    reliability,
)
from model_training.evaluation.history import COLUMNS, VALIDATION_COLUMNS
from model_training.evaluation.scoring import FrameScore

EVERY = (*COLUMNS, *VALIDATION_COLUMNS)
MakeScore = Callable[..., FrameScore]


@pytest.fixture
def scores(make_score: MakeScore) -> list[FrameScore]:
    # Dice of 0, 0.5 and 1, polyp areas of 1, 10 and 25 % of 1000 pixels.
    counts = [(0, 0, 10), (50, 50, 50), (250, 0, 0)]
    return [
        make_score(str(n), counts=one, size=(20, 50), calibration=np.full((3, 15), float(n + 1)))
        for n, one in enumerate(counts)
    ]


def test_histogram_counts_every_frame(scores: list[FrameScore]) -> None:
    (axis,) = axes_of(dice_histogram(scores))
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in axis.patches}
    assert {left: height for left, height in heights.items() if height} == {0: 1, 0.5: 1, 0.95: 1}
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "mean 0.500",
        "median 0.500",
    ]


def test_dice_by_area_has_a_point_for_each_frame(scores: list[FrameScore]) -> None:
    (axis,) = axes_of(dice_by_area(scores))
    points = np.asarray(axis.collections[0].get_offsets())
    np.testing.assert_allclose(points, [[0.01, 0], [0.1, 0.5], [0.25, 1]])
    assert axis.get_xscale() == "log"


def test_dice_by_area_shows_the_mean_of_each_quarter(make_score: MakeScore) -> None:
    scores = [make_score(str(n), counts=(n, 0, 8 - n), size=(10, 10 * (9 - n))) for n in range(8)]
    (axis,) = axes_of(dice_by_area(scores))
    means = [line.get_ydata()[0] for line in axis.lines]
    dice = [score.mask.dice for score in scores]
    np.testing.assert_allclose(means, np.reshape(dice, (4, 2)).mean(axis=1))


def test_dice_by_area_survives_a_frame_without_a_polyp(make_score: MakeScore) -> None:
    scores = [make_score("a"), make_score("b", counts=(0, 5, 0))]
    assert png(dice_by_area(scores)).startswith(b"\x89PNG")


def test_reliability_leaves_empty_bins_out(make_score: MakeScore) -> None:
    bins = np.zeros((3, 15))
    bins[:, 3] = 10, 2.2, 4
    bins[:, 14] = 30, 29, 15
    (axis,) = axes_of(reliability([make_score("a", calibration=bins)]))
    np.testing.assert_allclose(
        np.asarray(axis.collections[0].get_offsets()), [[0.22, 0.4], [29 / 30, 0.5]]
    )
    assert "ECE 0.395" in axis.get_legend().get_texts()[1].get_text()


def test_learning_curves_have_training_and_validation() -> None:
    history = {name: [n + 0.5, n + 0.25] for n, name in enumerate(EVERY)}
    history["epoch"] = [0, 1]
    axes = axes_of(learning_curves(history))
    drawn = {
        axis.get_title(loc="left"): [list(line.get_ydata()) for line in axis.lines] for axis in axes
    }
    assert drawn == {
        "Loss": [history["loss"], history["val_loss"]],
        "Dice": [history["dice"], history["val_dice"]],
        "Recall": [history["recall"], history["val_recall"]],
        "Precision": [history["precision"], history["val_precision"]],
        "Learning rate": [history["learning_rate"]],
        "Seconds an epoch": [history["seconds"]],
    }
    assert all(list(line.get_xdata()) == [1, 2] for axis in axes for line in axis.lines)


def test_learning_curves_of_a_run_that_holds_nothing_out() -> None:
    history = {name: [0.5, 0.25] for name in COLUMNS}
    assert [len(axis.lines) for axis in axes_of(learning_curves(history))] == [1] * 6


@pytest.mark.parametrize("epochs", [1, 3])
def test_charts_can_be_drawn(scores: list[FrameScore], epochs: int) -> None:
    history = dict.fromkeys(EVERY, [0.5] * epochs) | {"epoch": [float(n) for n in range(epochs)]}
    for figure in (reliability(scores), dice_histogram(scores), learning_curves(history)):
        assert png(figure).startswith(b"\x89PNG")


def axes_of(figure: Figure) -> list[Any]:
    # Artists are typed as their base classes, which lack what is looked at here.
    return list(figure.axes)


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
