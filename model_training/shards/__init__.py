"""Shards: a split's frames at working size in a few files with hashes, ready to travel.

Writing needs TensorFlow and is in `model_training.shards.writing`.
"""

from model_training.shards.manifest import ShardError, ShardManifest, ShardSettings, read_manifest
from model_training.shards.reading import ShardPart, open_shards, read_shards

__all__ = [
    "ShardError",
    "ShardManifest",
    "ShardPart",
    "ShardSettings",
    "open_shards",
    "read_manifest",
    "read_shards",
]
