"""Every fault is named, and none hides the other frames."""

from pathlib import Path

import numpy as np
import pytest

from model_training.datasets import Verify, read_kvasir
from tests.model_training.generated import picture, save, spoil_pixels, write_pairs


def faults(root: Path, verify: Verify = "pixels") -> dict[str, str]:
    """Read a data set in which only `good` is good; return the faults by path below the root."""
    reading = read_kvasir(root, verify=verify)
    assert [frame.name for frame in reading.frames] == ["good"]
    return {str(fault.path.relative_to(root)): fault.sentence for fault in reading.faults}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pairs(tmp_path, ["bad", "good"])
    return tmp_path


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_truncated_file_is_a_fault(root: Path, folder: str) -> None:
    path = root / folder / "bad.png"
    path.write_bytes(path.read_bytes()[:-60])
    (fault,) = faults(root).items()
    assert fault[0] == f"{folder}/bad.png"
    assert "truncated" in fault[1]


def test_headers_are_enough_where_pixels_are_not_asked_for(root: Path) -> None:
    path = root / "images/bad.png"
    spoil_pixels(path)
    reading = read_kvasir(root, verify="headers")
    assert [frame.name for frame in reading.frames] == ["bad", "good"]
    assert reading.faults == ()


@pytest.mark.parametrize("verify", ["headers", "pixels"])
def test_a_file_that_is_no_image_is_a_fault(root: Path, verify: Verify) -> None:
    (root / "masks/bad.png").write_text("<html>not found</html>")
    assert list(faults(root, verify)) == ["masks/bad.png"]


def test_a_folder_with_the_name_of_an_image_is_a_fault(root: Path) -> None:
    (root / "images/bad.png").unlink()
    (root / "images/bad.png").mkdir()
    assert faults(root) == {"images/bad.png": "Is a directory."}


@pytest.mark.parametrize("verify", ["headers", "pixels"])
def test_sizes_that_differ_are_a_fault(root: Path, verify: Verify) -> None:
    save(root / "masks/bad.png", picture(0, 64, 48)[1])
    sentence = "The mask is 48x64, its image is 64x48."
    assert faults(root, verify) == {"masks/bad.png": sentence}


@pytest.mark.parametrize("highest", [0, 1, 127])
def test_a_mask_that_marks_nothing_is_a_fault(root: Path, highest: int) -> None:
    mask = picture(0)[1] // 255 * np.uint8(highest)
    save(root / "masks/bad.png", mask)
    sentence = f"The mask is empty: no value is above 127, the highest is {highest}."
    assert faults(root) == {"masks/bad.png": sentence}


def test_a_photograph_is_not_a_mask(root: Path) -> None:
    save(root / "masks/bad.png", picture(0)[0])
    (fault,) = faults(root).items()
    assert fault[0] == "masks/bad.png"
    assert fault[1].endswith("of the pixels are neither black nor white: this is not a mask.")


def test_values_left_by_an_annotation_outside_the_field_of_view_are_no_fault(root: Path) -> None:
    mask = np.maximum(picture(0)[1], np.uint8(13))
    save(root / "masks/bad.png", mask)
    reading = read_kvasir(root)
    assert reading.faults == ()
    np.testing.assert_array_equal(reading.frames[0].read_mask(), picture(0)[1])


def test_every_fault_is_listed_sorted_by_path(root: Path) -> None:
    write_pairs(root, ["alone", "cut"])
    (root / "masks/alone.png").unlink()
    (root / "images/bad.png").write_bytes(b"")
    (root / "masks/cut.png").write_bytes(b"")
    assert list(faults(root)) == ["images/alone.png", "images/bad.png", "masks/cut.png"]
