"""Frames without a polyp."""

from pathlib import Path

import pytest

from model_training.datasets import DatasetError, read_negatives
from tests.model_training.generated import picture, save


@pytest.mark.parametrize("folder", ["", "images"])
def test_every_image_is_a_frame_without_a_polyp(tmp_path: Path, folder: str) -> None:
    for name in ("1001", "995"):
        save(tmp_path / folder / f"{name}.jpg", picture(1)[0])
    reading = read_negatives(tmp_path)
    assert reading.faults == ()
    assert [frame.key for frame in reading.frames] == ["negatives/1001", "negatives/995"]
    assert [frame.mask for frame in reading.frames] == [None, None]
    assert not reading.frames[0].read_mask().any()


def test_a_broken_image_does_not_hide_the_others(tmp_path: Path) -> None:
    save(tmp_path / "good.png", picture(1)[0])
    (tmp_path / "bad.png").write_bytes(b"")
    reading = read_negatives(tmp_path)
    assert [frame.name for frame in reading.frames] == ["good"]
    assert [fault.path.name for fault in reading.faults] == ["bad.png"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="absent does not hold images/"):
        read_negatives(tmp_path / "absent")


def test_the_real_data_has_no_fault(data: Path) -> None:
    reading = read_negatives(data / "negatives")
    assert reading.faults == ()
    assert len(reading.frames) == 300
