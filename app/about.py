"""What `polypseg info` tells: the model, the engine that would run it, the versions that matter."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app import __version__
from app.api.schemas import NOTICE
from app.inference import Bundle, choose_engine, load_bundle
from app.settings import Settings

_PACKAGES: Final = ("onnxruntime", "tensorflow", "numpy", "opencv-python-headless", "pillow")


def describe(settings: Settings) -> dict[str, Any]:
    """Say what would be served, without loading it.

    Args:
        settings: Which model, engine and device.

    Raises:
        BundleError: The bundle is not there or damaged.
        SelectionError: The engine or the device cannot be had.
    """
    bundle = load_bundle(settings.model, settings.model_version)
    choice = choose_engine(bundle, settings.engine, settings.device)
    return {
        "polypseg": __version__,
        "python": platform.python_version(),
        **_model(bundle),
        "engine": choice.engine,
        "device": choice.device,
        "reason": choice.reason,
        **{package: _version(package) for package in _PACKAGES},
        "notice": NOTICE,
    }


def show(settings: Settings, *, as_json: bool) -> None:
    """Print it, as a table or as JSON."""
    about = describe(settings)
    if as_json:
        print(json.dumps(about, indent=2))  # noqa: T201 - for programs, without colours
        return
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in about.items():
        table.add_row(name, "not installed" if value is None else str(value))
    Console().print(table)


def _model(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "model": f"{manifest.name}/{manifest.version}",
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "input": f"{manifest.input_width} x {manifest.input_height}",
        "threshold": manifest.threshold,
        "parameters": manifest.parameters,
        "gflop": manifest.gflop,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
