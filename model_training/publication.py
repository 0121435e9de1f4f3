"""Putting a bundle in its place: complete, with its card and its hashes, or not at all."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.inference.bundle import MANIFEST, Bundle, Manifest, hash_files, load_bundle
from model_training.card import model_card

Metrics = dict[str, Any]
"""What an evaluation writes as `metrics.json`."""


@contextmanager
def staged(root: Path, version: str) -> Iterator[Path]:
    """Yield an empty place for a version, which replaces the one that is there at the end.

    Args:
        root: Folder of the model.
        version: Becomes a folder in it; its old content stays if an error is raised.
    """
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".staged-") as scratch:
        path = Path(scratch) / version
        yield path
        path.chmod(0o755)
        place = root / version
        if place.exists():
            place.rename(Path(scratch) / "replaced")
        path.rename(place)


def write_manifest(path: Path, manifest: Manifest, metrics: Metrics) -> None:
    """Write the card, then the manifest with the hashes of all other files.

    Args:
        path: Folder that holds the models.
        manifest: Without hashes.
        metrics: Empty when nothing was evaluated.
    """
    (path / "model_card.md").write_text(model_card(manifest, metrics))
    hashed = manifest.model_copy(update={"files": hash_files(path)})
    text = json.dumps(hashed.model_dump(mode="json"), indent=2)
    (path / MANIFEST).write_text(f"{text}\n")


def record_figures(bundle: Bundle, metrics: Metrics) -> Bundle:
    """Write the figures of an evaluation into the manifest and the card of what was evaluated."""
    figures = {
        protocol: {name: round(value, 4) for name, value in entry["figures"].items()}
        for protocol, entry in metrics.items()
    }
    manifest = bundle.manifest.model_copy(update={"metrics": figures})
    root, version = bundle.path.parent, manifest.version
    with staged(root, version) as path:
        shutil.copytree(bundle.path, path)
        write_manifest(path, manifest, metrics)
    return load_bundle(root, version)
