"""Images and masks are paired by name; what has no partner is named."""

from pathlib import Path

import pytest

from model_training.datasets import read_kvasir
from tests.model_training.generated import picture, save, write_pairs


def faults(root: Path) -> dict[str, str]:
    """Read a data set in which only `good` is good; return the faults by path below the root."""
    reading = read_kvasir(root)
    assert [frame.name for frame in reading.frames] == ["good"]
    return {str(fault.path.relative_to(root)): fault.sentence for fault in reading.faults}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pairs(tmp_path, ["bad", "good"])
    return tmp_path


def test_a_missing_mask_is_a_fault_of_the_image(root: Path) -> None:
    (root / "masks/bad.png").unlink()
    assert faults(root) == {"images/bad.png": "There is no mask of that name in masks/."}


def test_a_missing_image_is_a_fault_of_the_mask(root: Path) -> None:
    (root / "images/bad.png").unlink()
    assert faults(root) == {"masks/bad.png": "There is no image of that name in images/."}


def test_frames_are_sorted_by_name_without_suffix(tmp_path: Path) -> None:
    # As strings with their suffixes, `1-b.png` would come first.
    write_pairs(tmp_path, ["1-b", "1", "0"])
    assert [frame.name for frame in read_kvasir(tmp_path).frames] == ["0", "1", "1-b"]


def test_a_name_that_occurs_twice_is_a_fault(root: Path) -> None:
    save(root / "images/good.jpg", picture(5)[0])
    (root / "images/bad.png").unlink()
    (root / "masks/bad.png").unlink()
    taken = "The name is taken by good.jpg in the same folder."
    assert faults(root) == {"images/good.png": taken}


def test_files_that_are_no_images_by_name_are_ignored(root: Path) -> None:
    for name in (".DS_Store", "._good.png", "Thumbs.db", "readme.txt"):
        (root / "images" / name).write_text("not an image")
    reading = read_kvasir(root)
    assert [frame.name for frame in reading.frames] == ["bad", "good"]
    assert reading.faults == ()
