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

Figures = dict[str, dict[str, float]]
"""What a manifest keeps: figures by name, by protocol."""


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
        place, replaced = root / version, Path(scratch) / "replaced"
        if place.exists():
            place.rename(replaced)
        try:
            path.rename(place)
        except BaseException:
            if replaced.exists():
                replaced.rename(place)
            raise


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the card, then the manifest with the hashes of all other files.

    Args:
        path: Folder that holds the models.
        manifest: Without hashes.
    """
    (path / "model_card.md").write_text(model_card(manifest))
    hashed = manifest.model_copy(update={"files": hash_files(path)})
    text = json.dumps(hashed.model_dump(mode="json"), indent=2)
    (path / MANIFEST).write_text(f"{text}\n")


def record(bundle: Bundle, figures: Figures) -> Bundle:
    """Write figures into the manifest and the card of a bundle; others that are there stay.

    Args:
        bundle: What was measured.
        figures: By protocol; one that is there is replaced.
    """
    metrics = {**bundle.manifest.metrics, **rounded(figures)}
    manifest = bundle.manifest.model_copy(update={"metrics": metrics})
    root, version = bundle.path.parent, manifest.version
    with staged(root, version) as path:
        shutil.copytree(bundle.path, path)
        write_manifest(path, manifest)
    return load_bundle(root, version)


def evaluated(metrics: dict[str, Any]) -> Figures:
    """Take what a manifest keeps from what an evaluation writes as `metrics.json`.

    Returns:
        By protocol: each figure, the ends of its interval under `NAME_low` and `NAME_high`, the
        number of `frames`, and `smallest_quarter_dice` of frames with polyps.
    """
    kept: Figures = {}
    for protocol, entry in metrics.items():
        kept[protocol] = {"frames": float(len(entry["frames"])), **entry["figures"]}
        for name, (low, high) in entry["intervals"].items():
            kept[protocol] |= {f"{name}_low": low, f"{name}_high": high}
        if entry.get("by_area"):
            kept[protocol]["smallest_quarter_dice"] = entry["by_area"][0]["dice"]
    return kept


def rounded(figures: Figures) -> Figures:
    """Round to the four digits that a manifest keeps."""
    return {
        protocol: {name: round(value, 4) for name, value in named.items()}
        for protocol, named in figures.items()
    }
