"""Five folds become one row: every frame once, by a model that never saw its video."""

from pathlib import Path

import numpy as np
import pytest

from model_training.datasets.lists import clinicdb_sequences
from model_training.evaluation.folds import FOLDS, pool_folds
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.record import Kept, RecordError
from model_training.evaluation.scoring import FrameScore
from tests.model_training.evaluation.conftest import MakeKept, MakeScore

FEW = Bootstrap(resamples=100)


@pytest.fixture
def fold_scores(make_score: MakeScore) -> list[list[FrameScore]]:
    """Deal the videos out; a frame's Dice depends on its video more than on itself."""
    folds: list[list[FrameScore]] = [[] for _ in range(5)]
    for place, (name, video) in enumerate(clinicdb_sequences().items()):
        folds[video % 5].append(
            make_score(
                f"cvc-clinicdb/{name}",
                counts=(20 + 2 * video, 10, place % 3),
                sequence=f"cvc-clinicdb/{video}",
            )
        )
    return folds


@pytest.fixture
def folds(make_kept: MakeKept, fold_scores: list[list[FrameScore]], tmp_path: Path) -> list[Kept]:
    return [
        make_kept(
            tmp_path / f"sequence-{number}",
            {f"sequence-{number}": scores},
            split=f"sequence-{number}",
        )
        for number, scores in enumerate(fold_scores)
    ]


def test_all_frames_weigh_the_same(folds: list[Kept], fold_scores: list[list[FrameScore]]) -> None:
    result = pool_folds(folds, FEW)

    dice = {score.key: score.mask.dice for fold in fold_scores for score in fold}
    assert result.row.name == FOLDS
    assert len(result.scores) == len(dice) == 612
    assert len({score.sequence for score in result.scores}) == 29
    assert result.figures.values["dice"] == pytest.approx(np.mean(list(dice.values())))
    # Videos are drawn, not frames: an interval of frames would be several times narrower.
    low, high = result.figures.intervals["dice"]
    by_frame = 2 * 1.96 * np.std(list(dice.values())) / np.sqrt(612)
    assert high - low > 2 * by_frame


def test_a_frame_that_is_missing_or_scored_twice_is_no_figure(folds: list[Kept]) -> None:
    with pytest.raises(RecordError, match=r"score \d{3} of the 612 frames"):
        pool_folds(folds[1:], FEW)
    with pytest.raises(RecordError, match="score 96 frames twice"):
        pool_folds([*folds, folds[0]], FEW)


def test_folds_in_full_are_a_figure_of_their_own(
    folds: list[Kept], make_kept: MakeKept, fold_scores: list[list[FrameScore]], tmp_path: Path
) -> None:
    full = [
        make_kept(
            tmp_path / f"full-{number}",
            {f"sequence-{number}": scores},
            split=f"sequence-{number}-full",
        )
        for number, scores in enumerate(fold_scores)
    ]

    assert pool_folds(full, FEW).figures == pool_folds(folds, FEW).figures
    with pytest.raises(RecordError, match="differ in full: False, True"):
        pool_folds([full[0], *folds[1:]], FEW)


def test_folds_of_several_recipes_are_no_figure(
    folds: list[Kept],
    make_kept: MakeKept,
    fold_scores: list[list[FrameScore]],
    tmp_path: Path,
) -> None:
    other = make_kept(
        tmp_path / "other", {"sequence-0": fold_scores[0]}, split="sequence-0", recipe="lite"
    )
    longer = make_kept(
        tmp_path / "longer",
        {"sequence-0": fold_scores[0]},
        split="sequence-0",
        settings={"epochs": 99},
    )
    with pytest.raises(RecordError, match="models differ in recipe: light, lite"):
        pool_folds([other, *folds[1:]], FEW)
    with pytest.raises(RecordError, match="models differ in settings_sha256: "):
        pool_folds([longer, *folds[1:]], FEW)


def test_a_fold_is_scored_on_its_own_frames_alone(
    folds: list[Kept],
    make_kept: MakeKept,
    fold_scores: list[list[FrameScore]],
    tmp_path: Path,
) -> None:
    other = make_kept(tmp_path / "other", {"sequence-0": fold_scores[0]}, split="sequence-1")
    with pytest.raises(RecordError, match="has no row 'sequence-1'"):
        pool_folds([other, *folds[1:]], FEW)
