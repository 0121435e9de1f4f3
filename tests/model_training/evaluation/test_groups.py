"""Scores by polyp area and by sequence, against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.evaluation.groups import by_area, by_sequence, quarters
from tests.model_training.evaluation.conftest import score_of


def test_quarters_are_by_share_of_the_frame_not_by_pixels() -> None:
    scores = [
        score_of("large frame", counts=(100, 0, 0), size=(100, 100)),
        score_of("small frame", counts=(50, 0, 0), size=(10, 10)),
    ]
    assert [[score.key for score in part] for part in quarters(scores)] == [
        ["large frame"],
        ["small frame"],
        [],
        [],
    ]


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30))
def test_quarters_hold_every_frame_once_in_rising_order(areas: list[int]) -> None:
    scores = [score_of(str(n), counts=(area, 0, 0)) for n, area in enumerate(areas)]
    parts = quarters(scores)
    assert [score.mask.truth for part in parts for score in part] == sorted(areas)
    assert {score.key for part in parts for score in part} == {score.key for score in scores}
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_figures_of_a_quarter_are_means_of_its_frames() -> None:
    scores = [score_of(str(n), counts=(10 * n, 5, 5), size=(20, 50)) for n in range(8)]
    groups = by_area(scores)
    assert [group.frames for group in groups] == [2, 2, 2, 2]
    dice = [[score.mask.dice for score in scores[2 * n : 2 * n + 2]] for n in range(4)]
    assert [group.dice for group in groups] == pytest.approx(np.mean(dice, axis=1))
    assert groups[0].name == "smallest quarter, up to 1.5%"
    assert groups[3].recall == pytest.approx(np.mean([60 / 65, 70 / 75]))


def test_sequences_of_one_frame_are_left_out_and_the_worst_is_first() -> None:
    scores = [
        score_of("a1", counts=(90, 10, 10), sequence="a"),
        score_of("b1", counts=(10, 90, 90), sequence="b"),
        score_of("a2", counts=(80, 10, 10), sequence="a"),
        score_of("b2", counts=(20, 90, 90), sequence="b"),
        score_of("c1", counts=(0, 10, 10), sequence="c"),
    ]
    groups = by_sequence(scores)
    assert [(group.name, group.frames) for group in groups] == [("b", 2), ("a", 2)]
    assert groups[1].dice == pytest.approx((180 / 200 + 160 / 180) / 2)
