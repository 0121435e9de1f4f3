"""Opening a folder of shards; nothing is read from files whose hashes do not fit."""

from dataclasses import dataclass
from pathlib import Path

from model_training.shards.manifest import ShardError, ShardManifest, hash_file, read_manifest
from model_training.splits import Role


@dataclass(frozen=True, slots=True)
class ShardPart:
    """One role of a folder of shards: a source of examples, as a sequence of frames is.

    Attributes:
        files: The TFRecord files, in order.
        keys: Keys of the frames, in the order of the records.
    """

    files: tuple[Path, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)


def open_shards(folder: Path) -> ShardManifest:
    """Read a folder's manifest and check the hash of each shard.

    Raises:
        ShardError: If a file is missing or was changed.
    """
    manifest = read_manifest(folder)
    for part in manifest.parts.values():
        for shard in part.shards:
            path = folder / shard.file
            if not path.is_file():
                raise ShardError(f"{path} is missing.")
            if hash_file(path) != shard.sha256:
                raise ShardError(f"{path} was changed after it was written: its hash does not fit.")
    return manifest


def read_shards(folder: Path, role: Role, manifest: ShardManifest | None = None) -> ShardPart:
    """Open one role of a folder of shards, as a source for `pipeline.examples`.

    Args:
        folder: What `polypseg prepare` wrote.
        role: The part of the split.
        manifest: What `open_shards` returned; without it, all hashes are checked here.

    Raises:
        ShardError: If a file of the folder is missing or was changed.
    """
    part = (manifest or open_shards(folder)).parts[role]
    return ShardPart(tuple(folder / shard.file for shard in part.shards), tuple(part.frames))
