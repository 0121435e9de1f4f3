"""Layouts and pairs of Kvasir-SEG."""

from pathlib import Path

import numpy as np
import pytest

from model_training.datasets import DatasetError, read_kvasir
from model_training.datasets.lists import kvasir_pairs
from tests.model_training.generated import picture, write_pairs


@pytest.mark.parametrize("folder", ["", "Kvasir-SEG"])
@pytest.mark.parametrize("mask_suffix", [".jpg", ".png"])
def test_reads_it_as_downloaded_and_with_png_masks(
    tmp_path: Path, folder: str, mask_suffix: str
) -> None:
    write_pairs(tmp_path / folder, ["a", "b"], suffixes=(".jpg", mask_suffix), size=(96, 128))
    (tmp_path / folder / "kavsir_bboxes.json").write_text("{}")
    reading = read_kvasir(tmp_path)
    assert reading.faults == ()
    assert [frame.key for frame in reading.frames] == ["kvasir-seg/a", "kvasir-seg/b"]
    assert [frame.sequence for frame in reading.frames] == ["kvasir-seg/a", "kvasir-seg/b"]
    np.testing.assert_array_equal(reading.frames[1].read_mask(), picture(1, 96, 128)[1])


def test_a_pair_of_near_duplicates_is_one_sequence(tmp_path: Path) -> None:
    first, second = kvasir_pairs()[0]
    write_pairs(tmp_path, (first, second, "other"))
    reading = read_kvasir(tmp_path)
    sequences = {frame.name: frame.sequence for frame in reading.frames}
    assert sequences[first] == sequences[second] != sequences["other"]


def test_no_frame_is_in_two_pairs() -> None:
    names = [name for pair in kvasir_pairs() for name in pair]
    assert len(names) == len(set(names)) == 22


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"does not hold images/ \+ masks/ or"):
        read_kvasir(tmp_path)


def test_the_real_data_has_no_fault(data: Path) -> None:
    reading = read_kvasir(data / "kvasir_seg")
    assert reading.faults == ()
    assert len(reading.frames) == 1000
    assert len({frame.sequence for frame in reading.frames}) == 1000 - 11
