"""Another hospital as the test, and what the folds have in common."""

from pathlib import Path

import pytest

from model_training.splits import kvasir, read_split, sequence
from tests.model_training.generated import clinicdb_frames, kvasir_frames


def test_tests_all_of_clinicdb_and_trains_on_nothing_of_it() -> None:
    split = kvasir(clinicdb_frames(), kvasir_frames())
    assert sorted(split.test, key=lambda frame: frame.key) == sorted(
        clinicdb_frames(), key=lambda frame: frame.key
    )
    learned = (*split.train, *split.validation)
    assert {frame.dataset for frame in learned} == {"kvasir-seg"}
    assert sorted(frame.key for frame in learned) == sorted(f.key for f in kvasir_frames())
    trained = {frame.sequence for frame in split.train}
    assert trained.isdisjoint(frame.sequence for frame in split.validation)


def test_every_fold_trains_and_validates_on_the_same_frames() -> None:
    split = kvasir(clinicdb_frames(), kvasir_frames())
    for fold in sequence(clinicdb_frames(), kvasir_frames()):
        assert set(split.train) <= set(fold.train)
        assert set(split.validation) <= set(fold.validation)


def test_the_order_of_the_frames_does_not_change_it() -> None:
    forwards = kvasir(clinicdb_frames(), kvasir_frames())
    assert kvasir(clinicdb_frames()[::-1], kvasir_frames()[::-1]) == forwards


@pytest.mark.parametrize(("negatives", "start"), [(False, "e3cafa744e49"), (True, "919423495e72")])
def test_on_the_real_data_it_never_changes(data: Path, negatives: bool, start: str) -> None:
    split = read_split("kvasir", data, negatives=negatives, verify="headers")
    assert split.hash.startswith(start)
