"""Processor time of a request outside the engine, over HTTP: at most 6 ms from 720x576 JPEG to PNG.

Usage: python -m benchmarks.outside [--seconds 3] [--rounds 5]

The service runs with a model of one multiplication a pixel at the input size of the shipped one;
what that costs is measured on its own and taken off. The best of several rounds, since other work
on the machine makes processor time longer, never shorter.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.inference import load_bundle
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.load import closed_loop
from benchmarks.pictures import SIZES, scenes
from tests.bundles import write_tiny_bundle

_BOUNDS = {"720x576": 6.0}


def request_ms(service: Service, size: str, path: str, seconds: float) -> float:
    """Return milliseconds of processor time for one request of a lone client."""
    before = service.tree.cpu()
    samples = asyncio.run(closed_loop(service.target(path), scenes(size), 1, seconds))
    assert {sample.status for sample in samples} == {200}
    return 1000 * (service.tree.cpu() - before) / len(samples)


def engine_ms(bundle: Path, runs: int = 100) -> float:
    """Return milliseconds of processor time of the engine alone."""
    loaded = load_bundle(bundle.parent, bundle.name)
    engine = OnnxRuntimeEngine(loaded, threads=1)
    image = np.zeros((1, loaded.manifest.input_height, loaded.manifest.input_width, 3), np.uint8)
    engine.infer(image)
    began = time.process_time()
    for _ in range(runs):
        engine.infer(image)
    return 1000 * (time.process_time() - began) / runs


def main() -> None:
    """Measure."""
    given = options(__doc__, seconds=3.0, rounds=5)
    shipped = load_bundle(given.bundle.parent, given.bundle.name).manifest
    with TemporaryDirectory() as folder:
        tiny = write_tiny_bundle(
            Path(folder) / "tiny", height=shipped.input_height, width=shipped.input_width
        )
        engine = min(engine_ms(tiny) for _ in range(given.rounds))
        figures = [Figure("the stand-in for the engine", engine, unit="ms")]
        with serve(tiny) as service:
            for path in ("/predict/png", "/predict/json"):
                for size in SIZES:
                    spent = min(
                        request_ms(service, size, path, given.seconds) for _ in range(given.rounds)
                    )
                    bound = _BOUNDS.get(size) if path.endswith("png") else None
                    figures.append(Figure(f"{path}, {size}", spent - engine, bound, "ms"))
    conclude(figures)


if __name__ == "__main__":
    main()
