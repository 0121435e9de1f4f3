"""Five folds by video sequence."""

from itertools import combinations
from pathlib import Path

import pytest

from model_training.datasets.lists import kvasir_pairs
from model_training.splits import Split, SplitError, read_split, sequence
from tests.model_training.generated import clinicdb_frames, kvasir_frames

HASHES = {
    "sequence-0": "0a9483426719",
    "sequence-1": "d3fd918112d5",
    "sequence-2": "f64b8f4f1aca",
    "sequence-3": "4ea2b9fe6ed8",
    "sequence-4": "bcef329b2e24",
}


@pytest.fixture(scope="module")
def folds() -> tuple[Split, ...]:
    return sequence(clinicdb_frames(), kvasir_frames())


def check_roles(split: Split) -> None:
    """No sequence, and so no pair, has frames in two roles; no frame is lost."""
    roles = {role: {frame.sequence for frame in frames} for role, frames in split.roles()}
    for one, other in combinations(roles.values(), 2):
        assert one.isdisjoint(other)
    assert sum(len(frames) for _, frames in split.roles()) == 1612


def test_no_sequence_and_no_pair_crosses_a_fold(folds: tuple[Split, ...]) -> None:
    assert [fold.name for fold in folds] == list(HASHES)
    for fold in folds:
        check_roles(fold)
        # Beside the sequences that the frames carry: the published pairs themselves.
        for pair in kvasir_pairs():
            holding = {r for r, frames in fold.roles() for f in frames if f.name in pair}
            assert len(holding) == 1


def test_every_frame_of_clinicdb_is_tested_once(folds: tuple[Split, ...]) -> None:
    tested = [frame.name for fold in folds for frame in fold.test]
    assert sorted(tested, key=int) == [str(number) for number in range(1, 613)]


def test_the_folds_are_balanced(folds: tuple[Split, ...]) -> None:
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 25  # the longest sequence has 26 frames
    for fold in folds:
        assert 0.07 < len(fold.validation) / (1612 - len(fold.test)) < 0.13
        assert {frame.dataset for frame in fold.validation} == {"cvc-clinicdb", "kvasir-seg"}


def test_kvasir_is_cut_alike_in_every_fold(folds: tuple[Split, ...]) -> None:
    cuts = {
        tuple(frame.name for frame in fold.validation if frame.dataset == "kvasir-seg")
        for fold in folds
    }
    assert len(cuts) == 1


def test_the_order_of_the_frames_does_not_change_it(folds: tuple[Split, ...]) -> None:
    assert sequence(clinicdb_frames()[::-1], kvasir_frames()[::-1]) == folds


def test_fewer_sequences_than_folds_are_refused() -> None:
    with pytest.raises(SplitError, match="5 folds need 5 sequences; there are 3"):
        sequence(clinicdb_frames()[:52], kvasir_frames())


@pytest.mark.parametrize("name", HASHES)
def test_on_the_real_data_it_holds_and_never_changes(data: Path, name: str) -> None:
    split = read_split(name, data, verify="headers")
    check_roles(split)
    assert split.hash.startswith(HASHES[name])
