"""Where a run's examples come from: the files of a split, or shards made from one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_training.datasets import Frame, hash_frames
from model_training.shards import ShardPart, open_shards, read_shards
from model_training.splits import Split

Part = Sequence[Frame] | ShardPart


@dataclass(frozen=True, slots=True)
class Source:
    """The training and validation frames of a run.

    Attributes:
        split: Name of the split.
        split_hash: `Split.hash`.
        data_hash: Of what is read: the files of frames and masks, or the shards' manifest.
        train: A source for `pipeline.examples`.
        validation: Likewise.
    """

    split: str
    split_hash: str
    data_hash: str
    train: Part
    validation: Part


def from_split(split: Split) -> Source:
    """Read the frames of a split from their files."""
    data_hash = hash_frames((*split.train, *split.validation))
    return Source(split.name, split.hash, data_hash, split.train, split.validation)


def from_shards(folder: Path) -> Source:
    """Read the frames that `polypseg prepare` wrote.

    Raises:
        ShardError: A file of the folder is missing or was changed.
    """
    manifest = open_shards(folder)
    return Source(
        manifest.split,
        manifest.split_hash,
        manifest.sha256,
        read_shards(folder, "train", manifest),
        read_shards(folder, "validation", manifest),
    )


def keys(part: Part) -> tuple[str, ...]:
    """Return the keys of the frames of a part, in order."""
    return part.keys if isinstance(part, ShardPart) else tuple(frame.key for frame in part)
