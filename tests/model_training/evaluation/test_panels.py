"""Panels show the frame, its truth and the prediction, each in its place."""

import io
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from app.imaging import compress_rle, encode_rle
from model_training.datasets import Frame
from model_training.evaluation.metrics import confusion
from model_training.evaluation.panels import (
    AGREES,
    EXTRA,
    MISSED,
    THUMBNAIL,
    Panel,
    agreement,
    comparison_panel,
    false_alarm_panel,
    panel_page,
    sample_panel,
)
from model_training.evaluation.scoring import FrameScore

MakeScore = Callable[..., FrameScore]


@pytest.fixture
def score(make_score: MakeScore, frame: Frame) -> FrameScore:
    truth = frame.read_mask()
    mask = np.roll(truth, 9, axis=1)
    return replace(
        make_score(frame.key, size=truth.shape),
        counts=compress_rle(encode_rle(mask)),
        mask=confusion(mask, truth),
    )


def test_agreement_has_a_colour_for_each_case() -> None:
    prediction = np.array([[255, 255], [0, 0]], np.uint8)
    truth = np.array([[255, 0], [255, 0]], np.uint8)
    expected = [[AGREES, EXTRA], [MISSED, (0, 0, 0)]]
    np.testing.assert_array_equal(agreement(prediction, truth), expected)


def test_comparison_shows_input_truth_and_prediction(frame: Frame, score: FrameScore) -> None:
    panel = comparison_panel(frame, score)
    assert (
        panel.title
        == f"drawn/5   Dice {score.mask.dice:.3f}   polyp {score.mask.truth / 13500:.1%}"
    )
    image, truth, prediction = panel.pictures
    np.testing.assert_array_equal(image, frame.read_image())
    np.testing.assert_array_equal(truth[..., 1], frame.read_mask())
    colours = {tuple(colour) for colour in prediction.reshape(-1, 3).tolist()}
    assert colours == {AGREES, EXTRA, MISSED, (0, 0, 0)}
    assert (prediction == EXTRA).all(axis=2).sum() == score.mask.false_positive


def test_false_alarm_is_all_extra(frame: Frame, score: FrameScore) -> None:
    panel = false_alarm_panel(replace(frame, mask=None), score)
    assert panel.title == f"drawn/5   marked {score.mask.predicted / 13500:.1%}"
    _, prediction = panel.pictures
    assert (prediction == EXTRA).all(axis=2).sum() == score.mask.predicted
    assert {tuple(c) for c in prediction.reshape(-1, 3).tolist()} == {EXTRA, (0, 0, 0)}


def test_large_frames_are_made_small(frame: Frame) -> None:
    picture = cv2.imread(str(frame.image))
    assert cv2.imwrite(str(frame.image), cv2.resize(picture, (1000, 600)))
    image, mask = sample_panel(frame).pictures
    assert image.shape == (173, THUMBNAIL, 3)
    assert mask.shape == (54 * 5 // 3, 150, 3)


@pytest.mark.parametrize(
    ("count", "columns", "legend"), [(1, 2, True), (3, 2, False), (4, 3, True)]
)
def test_a_page_holds_every_picture(count: int, columns: int, legend: bool) -> None:
    random = np.random.default_rng(0)
    panels = [
        Panel(
            f"panel {n}",
            (
                random.integers(0, 255, (20, 30, 3), np.uint8),
                random.integers(0, 255, (36, 30, 3), np.uint8),
            ),
        )
        for n in range(count)
    ]
    figure = panel_page(panels, ("left", "right"), columns=columns, legend=legend)
    shown = [axis.images[0].get_array() for axis in figure.axes]
    for found, expected in zip(shown, [p for panel in panels for p in panel.pictures], strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [text.get_text() for text in figure.texts] == [panel.title for panel in panels]
    assert [axis.get_xlabel() for axis in figure.axes] == ["left", "right"] * count
    assert bool(figure.legends) is legend
    boxes = [axis.get_position(original=True) for axis in figure.axes]
    assert all(0 < box.x0 < box.x1 < 1 and 0 < box.y0 < box.y1 < 1 for box in boxes)
    assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[n + 1 :])
    file = io.BytesIO()
    figure.savefig(file)
    assert min(Image.open(file).size) > 200
