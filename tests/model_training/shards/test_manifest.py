"""The manifest proves itself."""

import hashlib
import json
from pathlib import Path

import pytest

from app.imaging import RESIZE_VERSION
from model_training.shards import ShardError, ShardManifest, ShardSettings, read_manifest
from model_training.shards.manifest import Part, Shard

HASH = "0" * 64


@pytest.fixture
def manifest(tmp_path: Path) -> ShardManifest:
    settings = ShardSettings(height=64, width=96)
    shard = Shard(file="train-00000.tfrecord", sha256=HASH, size=9, frames=1)
    written = ShardManifest(
        split="some",
        split_hash=HASH,
        data_hash=HASH,
        settings=settings,
        settings_hash=settings.digest(),
        resize=RESIZE_VERSION,
        parts={"train": Part(frames={"kvasir-seg/a": "kvasir-seg/a"}, shards=(shard,))},
        packages={"numpy": "2"},
    ).sealed()
    written.write(tmp_path)
    return written


def test_what_was_written_is_read(manifest: ShardManifest, tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == manifest


def test_its_hashes_can_be_made_with_standard_tools(
    manifest: ShardManifest, tmp_path: Path
) -> None:
    values = json.loads((tmp_path / "manifest.json").read_text())
    own = values.pop("sha256")
    for value, expected in ((values, own), (values["settings"], manifest.settings_hash)):
        text = json.dumps(value, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == expected


@pytest.mark.parametrize(
    ("old", "new"), [('"height": 64', '"height": 65'), ("kvasir-seg/a", "kvasir-seg/b")]
)
def test_a_change_by_hand_shows(
    manifest: ShardManifest, tmp_path: Path, old: str, new: str
) -> None:
    path = tmp_path / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ShardError, match=r"manifest\.json was changed after it was written"):
        read_manifest(tmp_path)
    assert manifest.sha256 == manifest.digest()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"height": 64', '"height": 0', r"settings\.height: Input should be greater"),
        ("train-00000.tfrecord", "../../secret", r"parts\.train\.shards\.0\.file: String should"),
        ('"split": ', '"splot": ', "split: Field required"),
        ("{", "", "the file: Invalid JSON"),
    ],
)
def test_a_manifest_of_another_form_is_refused_in_one_line(
    manifest: ShardManifest, tmp_path: Path, old: str, new: str, fault: str
) -> None:
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ShardError, match=fault) as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("resize", [RESIZE_VERSION - 1, None])
def test_frames_that_were_resized_in_another_way_are_refused(
    manifest: ShardManifest, tmp_path: Path, resize: int | None
) -> None:
    """None: shards of before this was written down."""
    if resize is None:
        values = manifest.model_dump(mode="json", exclude={"resize"})
        (tmp_path / "manifest.json").write_text(json.dumps(values))
    else:
        manifest.model_copy(update={"resize": resize}).sealed().write(tmp_path)
    with pytest.raises(ShardError, match=r"in another way .* run polypseg prepare again"):
        read_manifest(tmp_path)


def test_a_folder_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"manifest\.json: No such file or directory\."):
        read_manifest(tmp_path)
