"""A run folder: the manifest that says what was trained, its checkpoint and its history."""

import csv
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.inference.bundle import Bundle
from app.inference.devices import NoGpu, find_gpu
from model_training.recipes import Recipe
from model_training.source import Source, keys

_CODE = ("model_training", "app/imaging")  # what training runs
_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")


class RunError(Exception):
    """A run folder cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What a run was made from. Two runs with equal manifests (but for times) are repetitions.

    Attributes:
        recipe: All settings.
        seed: Of initial weights, order and augmentation.
        split: Name of the split.
        split_hash: `Split.hash`.
        data_hash: `Source.data_hash`.
        train_frames: Keys of the training frames.
        validation_frames: Keys of the validation frames.
        encoder_weights: SHA-256 of the weights file, `"imagenet"` or `None`.
        start: SHA-256 of the bundle whose weights the run started from, or `None`.
        start_weights: SHA-256 of its model; figures that are recorded later do not change it.
        commit: Of the repository; `-dirty` is appended when code that trains differs from it.
        packages: Versions.
        machine: Processor, operating system, Python and devices.
        started: UTC, ISO 8601.
        finished: Likewise, or `None`.
        epochs: How many epochs were run, once finished.
    """

    recipe: Recipe
    seed: int
    split: str
    split_hash: str
    data_hash: str
    train_frames: tuple[str, ...]
    validation_frames: tuple[str, ...]
    encoder_weights: str | None
    commit: str
    start: str | None = None
    start_weights: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    started: str = ""
    finished: str | None = None
    epochs: int | None = None

    def identity(self) -> dict[str, Any]:
        """Return the part that must not change between a run and its resumption."""
        names = ("seed", "split", "split_hash", "data_hash", "encoder_weights", "start_weights")
        return {"recipe": self.recipe} | {name: getattr(self, name) for name in names}


class Run:
    """A run folder on disk.

    Attributes:
        path: The folder.
        manifest: What `manifest.json` in it says.
    """

    def __init__(self, path: Path, manifest: RunManifest) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def checkpoint(self) -> Path:
        """Where the last checkpoint is, if there is one."""
        return self.path / "checkpoint.npz"

    @property
    def weights(self) -> Path:
        """Where the weights are that a finished run ended with."""
        return self.path / "model.weights.h5"

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Read the run in a folder.

        Raises:
            RunError: There is none, or it is damaged or of another version of this code.
        """
        place = path / "manifest.json"
        try:
            values = json.loads(place.read_text())
            values["recipe"] = Recipe(**values["recipe"])
            for name in ("train_frames", "validation_frames"):
                values[name] = tuple(values[name])
            return cls(path, RunManifest(**values))
        except OSError as error:
            raise RunError(f"{place} cannot be read: {error.strerror}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(f"{place} is not what this version writes: {error}.") from error

    @classmethod
    def create(cls, path: Path, manifest: RunManifest) -> "Run":
        """Make the folder and write the manifest, with versions, machine and time filled in."""
        path.mkdir(parents=True, exist_ok=True)
        filled = replace(
            manifest,
            packages={name: version(name) for name in _PACKAGES},
            machine={
                "platform": platform.platform(),
                "python": platform.python_version(),
                "processor": platform.machine(),
                "gpu": _gpu(),
            },
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        run = cls(path, filled)
        run._write_manifest()
        return run

    def finish(self, *, epochs: int) -> None:
        """Note in the manifest that the run has ended."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.manifest = replace(self.manifest, finished=now, epochs=epochs)
        self._write_manifest()

    def write_history(self, history: Sequence[dict[str, float]]) -> None:
        """Write `history.csv` anew: a resumed run never repeats or loses a row."""
        partial = self.path / "history.partial"
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(history[0]))
            writer.writeheader()
            writer.writerows(history)
        partial.replace(self.path / "history.csv")

    def _write_manifest(self) -> None:
        partial = self.path / "manifest.partial"
        partial.write_text(json.dumps(asdict(self.manifest), indent=2) + "\n")
        partial.replace(self.path / "manifest.json")


def describe(
    recipe: Recipe,
    source: Source,
    *,
    seed: int,
    encoder_weights: str | None,
    start: Bundle | None = None,
) -> RunManifest:
    """Describe the run that a recipe and a source would make."""
    weights = encoder_weights
    if weights is not None and weights != "imagenet":
        weights = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    return RunManifest(
        recipe=recipe,
        seed=seed,
        split=source.split,
        split_hash=source.split_hash,
        data_hash=source.data_hash,
        train_frames=keys(source.train),
        validation_frames=keys(source.validation),
        encoder_weights=weights,
        commit=_commit(),
        start=start.sha256 if start else None,
        start_weights=start.manifest.weights_sha256 if start else None,
    )


def _gpu() -> str:
    try:
        gpu = find_gpu()
    except NoGpu:
        return "none"
    return f"{gpu.name}, driver {gpu.driver}"


def _commit() -> str:
    if told := os.environ.get("POLYPSEG_COMMIT"):
        return told  # a copy of the code without its history, in an image or on a remote machine
    git = ["git", "-C", str(Path(__file__).parents[1])]
    try:
        revision = _output([*git, "rev-parse", "HEAD"])
        changed = _output([*git, "status", "--porcelain", "--", *_CODE])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{revision}-dirty" if changed else revision


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()
