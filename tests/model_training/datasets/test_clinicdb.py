"""Layouts and sequences of CVC-ClinicDB."""

from pathlib import Path

import numpy as np
import pytest

from model_training.datasets import DatasetError, read_clinicdb
from tests.model_training.generated import picture, write_pairs

NAMES = ("1", "2", "10", "612")


@pytest.mark.parametrize(
    ("images", "masks", "suffix"),
    [
        ("Original", "Ground Truth", ".tif"),
        ("TIF/Original", "TIF/Ground Truth", ".tiff"),
        ("PNG/Original", "PNG/Ground Truth", ".png"),
        ("images", "masks", ".png"),
    ],
)
def test_reads_every_layout(tmp_path: Path, images: str, masks: str, suffix: str) -> None:
    write_pairs(tmp_path, NAMES, images=images, masks=masks, suffixes=(suffix, suffix))
    reading = read_clinicdb(tmp_path)
    assert reading.faults == ()
    assert [frame.key for frame in reading.frames] == [
        "cvc-clinicdb/1",
        "cvc-clinicdb/10",
        "cvc-clinicdb/2",
        "cvc-clinicdb/612",
    ]
    image, mask = picture(NAMES.index("10"))
    np.testing.assert_array_equal(reading.frames[1].read_image(), image)
    np.testing.assert_array_equal(reading.frames[1].read_mask(), mask)


def test_knows_the_video_sequence_of_a_frame(tmp_path: Path) -> None:
    write_pairs(tmp_path, ("1", "2", "611", "612"))
    sequences = [frame.sequence for frame in read_clinicdb(tmp_path).frames]
    assert sequences == ["cvc-clinicdb/1"] * 2 + ["cvc-clinicdb/29"] * 2


def test_a_frame_of_another_data_set_is_a_fault(tmp_path: Path) -> None:
    write_pairs(tmp_path, ("612", "613"))
    reading = read_clinicdb(tmp_path)
    assert [frame.name for frame in reading.frames] == ["612"]
    assert [str(fault) for fault in reading.faults] == [
        f"{tmp_path}/images/613.png: The name is not one of CVC-ClinicDB's, 1 to 612."
    ]


def test_a_folder_without_a_known_layout_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match=r"does not hold Original/ \+ Ground Truth/ or .*masks/"):
        read_clinicdb(tmp_path)


def test_the_real_data_has_no_fault(data: Path) -> None:
    reading = read_clinicdb(data / "cvc_clinicdb")
    assert reading.faults == ()
    assert len(reading.frames) == 612
    assert len({frame.sequence for frame in reading.frames}) == 29
