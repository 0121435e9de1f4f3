"""PraNet's split, with a validation part."""

from pathlib import Path

import pytest

from model_training.datasets.lists import pranet_test_clinicdb, pranet_test_kvasir
from model_training.splits import SplitError, pranet, read_split
from tests.model_training.generated import clinicdb_frames, kvasir_frames

HASH = "898ff3e1bf8f4c854c030dc18d7092202a688f54dd11a0eca5014eaa57a50208"


def test_tests_on_the_lists_and_trains_on_the_rest() -> None:
    clinicdb, kvasir = clinicdb_frames(), kvasir_frames()
    split = pranet(clinicdb, kvasir)
    listed = {f"cvc-clinicdb/{name}" for name in pranet_test_clinicdb()}
    listed |= {f"kvasir-seg/{name}" for name in pranet_test_kvasir()}
    assert len(listed) == 162
    assert {frame.key for frame in split.test} == listed
    rest = {frame.key for frame in (*split.train, *split.validation)}
    assert len(split.train) + len(split.validation) == len(rest) == 1450
    assert rest == {frame.key for frame in (*clinicdb, *kvasir)} - listed


def test_a_tenth_of_each_data_set_validates_and_shares_no_sequence_with_training() -> None:
    split = pranet(clinicdb_frames(), kvasir_frames())
    for dataset, total in (("cvc-clinicdb", 550), ("kvasir-seg", 900)):
        size = sum(frame.dataset == dataset for frame in split.validation)
        assert 0.08 * total < size < 0.12 * total
    training = {frame.sequence for frame in split.train}
    assert training.isdisjoint(frame.sequence for frame in split.validation)


def test_the_order_of_the_frames_does_not_change_it() -> None:
    again = pranet(clinicdb_frames()[::-1], kvasir_frames()[::-1])
    assert again == pranet(clinicdb_frames(), kvasir_frames())


def test_a_missing_test_frame_is_named() -> None:
    clinicdb = [frame for frame in clinicdb_frames() if frame.name != "100"]
    with pytest.raises(SplitError, match=r"name 1 frames that were not read, .* cvc-clinicdb/100"):
        pranet(clinicdb, kvasir_frames())


def test_on_the_real_data_it_never_changes(data: Path) -> None:
    assert read_split("pranet", data, verify="headers").hash == HASH
