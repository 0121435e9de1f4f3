"""Shards are small, complete or absent, and the same each time; other readers understand them."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from app.imaging import ImageError
from model_training.datasets import working_size
from model_training.shards import ShardError, ShardSettings
from model_training.shards.writing import write_shards
from model_training.splits import Split

SETTINGS = ShardSettings(height=48, width=64)


def records(path: Path) -> list[dict[str, bytes]]:
    """Read a shard with nothing but TensorFlow."""
    read = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        read.append({name: feature.bytes_list.value[0] for name, feature in features.items()})
    return read


def pixels(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


@pytest.mark.parametrize(("encoding", "format_name"), [("jpeg", "JPEG"), ("png", "PNG")])
def test_a_record_holds_names_image_and_a_mask_of_one_bit(
    split: Split, tmp_path: Path, encoding: str, format_name: str
) -> None:
    settings = ShardSettings.model_validate({"height": 48, "width": 64, "encoding": encoding})
    write_shards(split, tmp_path / "shards", settings)
    read = records(tmp_path / "shards/train-00000.tfrecord")
    assert len(read) == len(split.train)
    for record, frame in zip(read, split.train, strict=True):
        assert record["key"].decode() == frame.key
        assert record["sequence"].decode() == frame.sequence
        image, mask = working_size(frame.read_image(), frame.read_mask(), 48, 64)
        assert pixels(record["mask"]).mode == "1"
        np.testing.assert_array_equal(pixels(record["mask"]).convert("L"), mask)
        assert pixels(record["image"]).format == format_name
        error = np.abs(np.asarray(pixels(record["image"]).convert("RGB"), np.int16) - image)
        if encoding == "png":
            assert not error.any()
        else:
            assert error.mean() < 2
            assert error.max() <= 16


def test_the_manifest_lists_frames_and_files(split: Split, tmp_path: Path) -> None:
    manifest = write_shards(split, tmp_path / "shards", SETTINGS)
    assert (manifest.split, manifest.split_hash) == (split.name, split.hash)
    for role, frames in split.roles():
        part = manifest.parts[role]
        assert list(part.frames.items()) == [(frame.key, frame.sequence) for frame in frames]
        assert sum(shard.frames for shard in part.shards) == len(frames)
    listed = {shard.file for part in manifest.parts.values() for shard in part.shards}
    on_disk = {path.name for path in (tmp_path / "shards").iterdir()}
    assert on_disk == {"manifest.json", *listed}


def test_no_shard_is_over_the_bound(split: Split, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_bytes": 8_000})
    manifest = write_shards(split, tmp_path / "shards", settings)
    shards = manifest.parts["train"].shards
    assert len(shards) > 1
    for shard in shards:
        path = tmp_path / "shards" / shard.file
        assert path.stat().st_size == shard.size <= 8_000
        assert len(records(path)) == shard.frames
    keys = [r["key"].decode() for s in shards for r in records(tmp_path / "shards" / s.file)]
    assert keys == [frame.key for frame in split.train]


def test_the_default_bound_is_25_megabytes() -> None:
    assert SETTINGS.max_bytes == 25_000_000


def test_a_frame_over_the_bound_is_refused(split: Split, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_bytes": 500})
    with pytest.raises(ShardError, match=r"A frame takes \d+ bytes, a shard holds 500\."):
        write_shards(split, tmp_path / "shards", settings)
    assert not (tmp_path / "shards").exists()


def test_a_role_without_frames_has_no_shards(split: Split, tmp_path: Path) -> None:
    manifest = write_shards(replace(split, validation=()), tmp_path / "shards", SETTINGS)
    assert manifest.parts["validation"].shards == ()


def test_the_same_frames_give_the_same_bytes(split: Split, tmp_path: Path) -> None:
    one = write_shards(split, tmp_path / "one", SETTINGS)
    assert write_shards(split, tmp_path / "other", SETTINGS) == one


def test_what_is_complete_is_checked_and_left_alone(split: Split, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    manifest = write_shards(split, out, SETTINGS)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    calls: list[None] = []
    assert write_shards(split, out, SETTINGS, advance=lambda: calls.append(None)) == manifest
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert calls == []


def test_other_shards_are_not_replaced(split: Split, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    write_shards(split, out, SETTINGS)
    others = [
        (split.limit(2), SETTINGS),
        (split, SETTINGS.model_copy(update={"encoding": "png"})),
    ]
    for other, settings in others:
        with pytest.raises(ShardError, match="shards holds other shards; remove it or name"):
            write_shards(other, out, settings)


def test_the_folder_appears_only_when_it_is_complete(split: Split, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    broken = split.train[-1].image
    content = broken.read_bytes()
    broken.write_bytes(content[:50])
    with pytest.raises(ImageError):
        write_shards(split, out, SETTINGS)
    assert not out.exists()
    broken.write_bytes(content)
    manifest = write_shards(split, out, SETTINGS)
    assert manifest == write_shards(split, tmp_path / "other", SETTINGS)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_progress_is_told_of_every_frame(split: Split, tmp_path: Path) -> None:
    calls: list[None] = []
    write_shards(split, tmp_path / "shards", SETTINGS, advance=lambda: calls.append(None))
    assert len(calls) == 10
