"""Shards whose hashes do not fit are not read."""

from pathlib import Path

import pytest

from model_training.shards import ShardError, ShardSettings, open_shards, read_shards
from model_training.shards.writing import write_shards
from model_training.splits import Split


@pytest.fixture
def shards(split: Split, tmp_path: Path) -> Path:
    write_shards(split, tmp_path / "shards", ShardSettings(height=48, width=64))
    return tmp_path / "shards"


def test_a_part_names_its_files_and_frames(shards: Path, split: Split) -> None:
    part = read_shards(shards, "validation")
    assert part.files == (shards / "validation-00000.tfrecord",)
    assert part.keys == tuple(frame.key for frame in split.validation)
    assert len(part) == 3


def test_they_may_be_moved(shards: Path) -> None:
    moved = shards.rename(shards.with_name("moved"))
    assert read_shards(moved, "train").files == (moved / "train-00000.tfrecord",)


def test_a_changed_shard_is_refused(shards: Path) -> None:
    path = shards / "test-00000.tfrecord"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"test-00000\.tfrecord was changed after it was written"):
        read_shards(shards, "train")


def test_a_missing_shard_is_refused(shards: Path) -> None:
    (shards / "train-00000.tfrecord").unlink()
    with pytest.raises(ShardError, match=r"train-00000\.tfrecord is missing\."):
        open_shards(shards)
