"""Predictions for files, without a server: the same decode, engine and renderers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.api.identity import model_id
from app.api.negotiation import Format
from app.api.render import finding
from app.imaging import (
    ImageError,
    decode,
    render_overlay,
    render_png,
    render_probability,
    segment,
)
from app.inference import Bundle, Engine, load_bundle, predict_image, select_engine
from app.settings import Settings, SettingsError

_SUFFIXES: Final = {
    Format.PNG: ".mask.png",
    Format.JSON: ".json",
    Format.OVERLAY: ".overlay.png",
    Format.PROBABILITY: ".probability.png",
}


def predict_files(
    files: Sequence[Path],
    out: Path,
    answer: Format,
    threshold: float | None,
    settings: Settings,
    console: Console | None = None,
) -> int:
    """Predict files one after the other and write the answers.

    Args:
        files: Image files.
        out: Folder for the answers; made if need be.
        answer: What to write.
        threshold: In (0, 1); the model's own if None.
        settings: Which model, engine and device, and the limit of pixels.
        console: Where to show progress and complaints; standard error if None.

    Returns:
        The number of files that failed, at most 1: the exit code.

    Raises:
        SettingsError: The threshold is out of range, or two answers would have the same name.
        BundleError: The bundle is not there, damaged, or does not fit.
        SelectionError: The engine or the device cannot be had.
        EngineError: The model cannot run.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise SettingsError(f"--threshold has value '{threshold:g}': expected over 0 and under 1.")
    targets = _targets(files, out, answer)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out has value '{out}': {error.strerror}.") from error
    console = console or Console(stderr=True)
    bundle = load_bundle(settings.model, settings.model_version)
    engine, reason = select_engine(bundle, settings.engine, settings.device)
    console.print(f"{bundle.manifest.name}/{bundle.manifest.version}: {reason}", style="dim")
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        for file, target in progress.track(targets.items(), description="Predicting"):
            try:
                data = file.read_bytes()
                target.write_bytes(
                    _predict(engine, bundle, data, answer, threshold, settings.max_pixels)
                )
            except (ImageError, OSError) as error:
                fault = error.strerror if isinstance(error, OSError) else error
                if file.is_dir():
                    fault = f"This is a folder; name the images in it, such as {file}/*.jpg"
                console.print(f"{file}: {fault}", style="red", markup=False, highlight=False)
                failed = 1
    engine.close()
    return failed


def _targets(files: Sequence[Path], out: Path, answer: Format) -> dict[Path, Path]:
    targets: dict[Path, Path] = {}
    sources: dict[Path, Path] = {}
    for file in files:
        target = out / f"{file.stem}{_SUFFIXES[answer]}"
        if sources.setdefault(target, file) != file:
            raise SettingsError(
                f"'{sources[target]}' and '{file}' would both be written to '{target}'; "
                "predict them into different folders."
            )
        targets[file] = target
    return targets


def _predict(
    engine: Engine,
    bundle: Bundle,
    data: bytes,
    answer: Format,
    threshold: float | None,
    max_pixels: int,
) -> bytes:
    manifest = bundle.manifest
    view, probability = predict_image(engine, manifest, data, max_pixels=max_pixels)
    if answer is Format.PROBABILITY:
        return render_probability(probability)
    found = segment(
        probability,
        manifest.threshold if threshold is None else threshold,
        min_area=manifest.min_area,
    )
    if answer is Format.OVERLAY:
        return render_overlay(decode(data).pixels, found.mask)
    if answer is Format.JSON:
        document = finding(found, view.header, model=model_id(bundle))
        return document.model_dump_json(indent=2).encode() + b"\n"
    return render_png(found.mask)
