"""A small split of generated frames."""

from pathlib import Path

import pytest

from model_training.datasets import read_dataset
from model_training.splits import Split
from tests.model_training.generated import picture, save, write_pairs


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Return a split of ten frames on disk, three of them without a polyp."""
    write_pairs(tmp_path / "data/kvasir_seg", "abcdefg", suffixes=(".jpg", ".jpg"), size=(96, 128))
    for name in "xyz":
        save(tmp_path / f"data/negatives/{name}.png", picture(ord(name))[0])
    polyps = read_dataset("kvasir-seg", tmp_path / "data").frames
    negatives = read_dataset("negatives", tmp_path / "data").frames
    return Split("some", (*polyps[3:], *negatives[:2]), polyps[:3], negatives[2:])
