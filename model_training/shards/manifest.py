"""The manifest of a folder of shards: what is in them, from what, and the hashes that prove it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.imaging import RESIZE_VERSION
from model_training.splits import Role

MANIFEST = "manifest.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ShardError(Exception):
    """Raised when shards cannot be written or trusted; the message is one line."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardSettings(_Record):
    """How frames are stored.

    Attributes:
        height: Rows of the stored images and masks.
        width: Columns of the stored images and masks.
        encoding: Of the images: `"jpeg"` (quality 95, full chroma) or `"png"` (lossless). Masks are
            1-bit PNG.
        max_bytes: Upper bound of a shard's size in bytes.
    """

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    encoding: Literal["jpeg", "png"] = "jpeg"
    max_bytes: int = Field(default=25_000_000, ge=1)

    def digest(self) -> str:
        """Return the SHA-256 of the settings."""
        return _hash_json(self.model_dump(mode="json"))


class Shard(_Record):
    """One TFRecord file.

    Attributes:
        file: Name in the folder.
        sha256: Hash of its bytes.
        size: Size in bytes.
        frames: Number of records.
    """

    file: str = Field(pattern=r"^[a-z]+-[0-9]{5}\.tfrecord$")
    sha256: Sha256
    size: int
    frames: int


class Part(_Record):
    """One role of the split.

    Attributes:
        frames: Sequence of each frame, by key, in the order of the records.
        shards: The files, in order.
    """

    frames: dict[str, str]
    shards: tuple[Shard, ...]


class ShardManifest(_Record):
    """What `manifest.json` says.

    Attributes:
        split: Name of the split.
        split_hash: `Split.hash`.
        data_hash: Of the source files, see `hash_frames`; roles in the order of the split.
        settings: How the frames are stored.
        settings_hash: SHA-256 of the settings.
        resize: `RESIZE_VERSION` of the resize that brought the frames to their size.
        parts: Frames and files by role.
        packages: Versions of the packages that resized and encoded.
        sha256: Of everything above.
    """

    split: str
    split_hash: Sha256
    data_hash: Sha256
    settings: ShardSettings
    settings_hash: Sha256
    resize: int
    parts: dict[Role, Part]
    packages: dict[str, str]
    sha256: str = ""

    def sealed(self) -> "ShardManifest":
        """Return the manifest with its own hash filled in."""
        return self.model_copy(update={"sha256": self.digest()})

    def digest(self) -> str:
        """Compute the hash that `sha256` must hold."""
        return _hash_json(self.model_dump(mode="json", exclude={"sha256"}))

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=2)
        (folder / MANIFEST).write_text(text + "\n", "utf-8")


def read_manifest(folder: Path) -> ShardManifest:
    """Read a folder's manifest and check its own hash.

    Raises:
        ShardError: If there is none, it is damaged, or the frames were resized in another way than
            they would be now.
    """
    path = folder / MANIFEST
    try:
        manifest = ShardManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror}.") from None
    except ValidationError as error:
        fault = error.errors()[0]
        if fault["loc"] == ("resize",):
            raise _stale(path) from None
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ShardError(f"{path}: {where}: {fault['msg']}.") from None
    if manifest.sha256 != manifest.digest():
        raise ShardError(f"{path} was changed after it was written: its hash does not fit.")
    if manifest.resize != RESIZE_VERSION:
        raise _stale(path)
    return manifest


def _stale(path: Path) -> ShardError:
    return ShardError(
        f"{path} is of frames that were resized in another way than the service does now: remove "
        "the folder and run polypseg prepare again."
    )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()
