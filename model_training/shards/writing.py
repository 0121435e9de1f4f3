"""Writing a split's frames into shards."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from app.imaging import RESIZE_VERSION
from model_training.datasets import Frame, hash_frames
from model_training.shards.manifest import (
    Part,
    Shard,
    ShardError,
    ShardManifest,
    ShardSettings,
    hash_file,
)
from model_training.shards.reading import open_shards
from model_training.shards.record import encode_record
from model_training.splits import Role, Split

# A TFRecord file adds to each record its length and two checksums.
RECORD_OVERHEAD = 16
PACKAGES = ("numpy", "opencv-python-headless", "pillow")


def write_shards(
    split: Split,
    out: Path,
    settings: ShardSettings,
    *,
    advance: Callable[[], None] = lambda: None,
) -> ShardManifest:
    """Write a split's frames into a new folder, which appears only when it is complete.

    The same frames and settings give the same bytes. A folder that holds just that already is
    checked and left alone.

    Args:
        split: Frames by role; their order is kept.
        out: The folder.
        settings: How the frames are stored.
        advance: Called after each frame.

    Returns:
        The manifest of the folder.

    Raises:
        ShardError: If the folder exists and holds something else, or a frame does not fit into a
            shard.
        ImageError: If a frame cannot be decoded.
    """
    data_hash = hash_frames(frame for _, frames in split.roles() for frame in frames)
    if out.exists():
        existing = open_shards(out)
        made_from = (existing.split_hash, existing.data_hash, existing.settings)
        if made_from != (split.hash, data_hash, settings):
            raise ShardError(f"{out} holds other shards; remove it or name another folder.")
        return existing
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    parts: dict[Role, Part] = {}
    for role, frames in split.roles():
        shards = tuple(_write_role(role, _encode(frames, settings, advance), partial, settings))
        parts[role] = Part(frames={f.key: f.sequence for f in frames}, shards=shards)
    manifest = ShardManifest(
        split=split.name,
        split_hash=split.hash,
        data_hash=data_hash,
        settings=settings,
        settings_hash=settings.digest(),
        resize=RESIZE_VERSION,
        parts=parts,
        packages={name: version(name) for name in PACKAGES},
    ).sealed()
    manifest.write(partial)
    partial.rename(out)
    return manifest


def _encode(
    frames: Sequence[Frame], settings: ShardSettings, advance: Callable[[], None]
) -> Iterator[bytes]:
    for frame in frames:
        yield encode_record(frame, settings)
        advance()


def _write_role(
    role: Role, records: Iterable[bytes], folder: Path, settings: ShardSettings
) -> Iterator[Shard]:
    for number, chunk in enumerate(_fill(records, settings.max_bytes)):
        path = folder / f"{role}-{number:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in chunk:
                writer.write(record)
        size = path.stat().st_size
        yield Shard(file=path.name, sha256=hash_file(path), size=size, frames=len(chunk))


def _fill(records: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    """Group records so that each group, written as a TFRecord file, fits into `max_bytes`."""
    chunk: list[bytes] = []
    size = 0
    for record in records:
        needed = len(record) + RECORD_OVERHEAD
        if needed > max_bytes:
            raise ShardError(f"A frame takes {needed} bytes, a shard holds {max_bytes}.")
        if size + needed > max_bytes:
            yield chunk
            chunk, size = [], 0
        chunk.append(record)
        size += needed
    if chunk:
        yield chunk
