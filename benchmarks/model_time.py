"""Times one image in ONNX Runtime against a baseline's SavedModel in TensorFlow, interleaved.

Usage: python -m benchmarks.model_time BUNDLE --baseline BUNDLE [--threads 2] [--record]

The two take turns of a few runs in one process, so that what else the machine does meets both.
Absolute times depend on the machine; the ratio much less. The image is at each network's own input
size: decoding and resizing are not part of it.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.imaging import phantom
from app.inference import Bundle, Engine, load_bundle
from app.inference.cores import own_cores
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from app.inference.engines.tensorflow import TensorFlowEngine
from app.inference.threads import stay_on
from model_training.card import MODEL_TIME
from model_training.publication import record

# The first run of a turn finds the caches full of the other network: it is not counted.
RUNS = 5
WARM_UP = 20
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class ModelTime:
    """What was measured.

    Attributes:
        ms: Median milliseconds of one image in ONNX Runtime.
        baseline_ms: Median of the baseline in TensorFlow.
        ratio: The first over the second.
        ratio_low: Lower end of the ratio's 95 % interval, from resampled turns.
        ratio_high: Upper end.
        turns: How many each of the two took.
        threads: Cores that each might use.
    """

    ms: float
    baseline_ms: float
    ratio: float
    ratio_low: float
    ratio_high: float
    turns: int
    threads: int


def compare(
    times: NDArray[np.float64], baseline: NDArray[np.float64], threads: int, *, seed: int = 0
) -> ModelTime:
    """Compare two networks that took turns.

    Args:
        times: Seconds, `[turns, runs]`.
        baseline: Likewise.
        threads: Told in the result.
        seed: Of the resamples.
    """
    turns = len(times)
    drawn = np.random.default_rng(seed).integers(turns, size=(RESAMPLES, turns))
    ratios = [np.median(times[rows]) / np.median(baseline[rows]) for rows in drawn]
    low, high = np.quantile(ratios, [0.025, 0.975])
    ours, theirs = float(np.median(times)), float(np.median(baseline))
    return ModelTime(
        1000 * ours, 1000 * theirs, ours / theirs, float(low), float(high), turns, threads
    )


def measure(bundle: Bundle, baseline: Bundle, *, turns: int, threads: int) -> ModelTime:
    """Let the two take turns.

    Args:
        bundle: Its ONNX model is timed.
        baseline: Its SavedModel is timed.
        turns: Of each, at least 1.
        threads: Cores that each may use.
    """
    everywhere = sorted(os.sched_getaffinity(0))
    ours = own_cores()
    engines: tuple[Engine, Engine] = (
        OnnxRuntimeEngine(bundle, threads, ours),
        TensorFlowEngine(baseline, "cpu", threads),
    )
    # As the service runs a lone image: in a thread that stays on the first core.
    callers = (ours[:1] if len(ours) == threads else everywhere), everywhere
    images = [
        phantom(one.manifest.input_height, one.manifest.input_width)[0][None]
        for one in (bundle, baseline)
    ]
    for engine, image, cores in zip(engines, images, callers, strict=True):
        _time(engine, image, WARM_UP, cores)
    times = np.empty((2, turns, RUNS - 1))
    for turn in track(range(turns), "turns"):
        for place in (0, 1) if turn % 2 else (1, 0):
            times[place, turn] = _time(engines[place], images[place], RUNS, callers[place])[1:]
    stay_on(everywhere)
    for engine in engines:
        engine.close()
    return compare(times[0], times[1], threads)


def _time(engine: Engine, image: NDArray[np.uint8], runs: int, cores: Sequence[int]) -> list[float]:
    stay_on(cores)
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        engine.infer(image)
        seconds.append(time.perf_counter() - began)
    return seconds


def main(words: list[str] | None = None) -> None:
    """Measure, print and, if asked to, record."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bundle", type=Path, help="folder of the model, its highest version")
    arguments.add_argument("--baseline", type=Path, required=True, help="likewise")
    arguments.add_argument("--turns", type=int, default=100)
    arguments.add_argument("--threads", type=int, default=2, help="cores that each may use")
    arguments.add_argument("--json", type=Path, help="write the figures to this file")
    arguments.add_argument(
        "--record", action="store_true", help="write them into the bundle's manifest and card"
    )
    options = arguments.parse_args(words)
    bundle, baseline = load_bundle(options.bundle), load_bundle(options.baseline)
    busy = os.getloadavg()[0]
    found = measure(bundle, baseline, turns=options.turns, threads=options.threads)
    report(bundle, baseline, found, busy)
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=2) + "\n")
    if options.record:
        record(bundle, {MODEL_TIME: asdict(found)})


def report(bundle: Bundle, baseline: Bundle, found: ModelTime, busy: float) -> None:
    """Print a table, and how busy the machine was: a ratio needs idle cores."""
    table = Table("bundle", "engine", "input", "GFLOP", "median ms")
    for one, engine, ms in (
        (bundle, "onnxruntime", found.ms),
        (baseline, "tensorflow", found.baseline_ms),
    ):
        manifest = one.manifest
        size = f"{manifest.input_width}x{manifest.input_height}"
        name = f"{manifest.name}/{manifest.version}"
        table.add_row(name, engine, size, f"{manifest.gflop:.2f}", f"{ms:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"ratio {found.ratio:.3f} ({found.ratio_low:.3f} to {found.ratio_high:.3f}), "
        f"{found.turns} turns, {found.threads} threads; load of the machine before: {busy:.1f}"
    )


if __name__ == "__main__":
    main()
