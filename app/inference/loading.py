"""From a bundle to a warm engine, used in the best way that was measured."""

import gc
import time
from dataclasses import dataclass
from typing import Final

from app.imaging import phantom, phantom_jpeg
from app.inference.bundle import Bundle, Manifest
from app.inference.cores import available_cores, own_cores
from app.inference.engine import Engine
from app.inference.measurement import Measurement, buckets_for, measure, time_alone
from app.inference.rehearsal import rehearsal
from app.inference.runner import Inferred, pad
from app.inference.selection import Choice, load_engine

_FRAME_HEIGHT: Final = 576
_FRAME_WIDTH: Final = 720


@dataclass(frozen=True, slots=True)
class Loaded:
    """A warm engine.

    Attributes:
        engine: The engine.
        reason: Why this one, in one line.
        measurement: How it is used best.
        rate: Answers per second to expect of the whole path, if images are like `frame`.
        frame: A drawn video frame, as a JPEG.
    """

    engine: Engine
    reason: str
    measurement: Measurement
    rate: float
    frame: bytes


def load(bundle: Bundle, choice: Choice, max_batch: int | None = None) -> Loaded:
    """Load the engine that was chosen, warm it, and measure how to use it. Blocking, for seconds.

    On a processor ONNX Runtime has a slot a core. A run that is alone is timed with all cores and
    with one; beside others a run always has one.

    Args:
        bundle: The model.
        choice: The engine.
        max_batch: The largest batch to try; None leaves it to the device.

    Raises:
        BundleError: The model was changed, cannot be loaded or does not fit the manifest.
        SelectionError: The engine cannot be had.
        EngineError: The engine fails on a harmless image.
    """
    bundle.verify()  # it may be long since that was done: an engine was lost, and this is the next
    cores = available_cores()
    engine, reason = load_engine(bundle, choice, cores)
    buckets = buckets_for(engine.name, engine.device, max_batch)
    image, _ = phantom(bundle.manifest.input_height, bundle.manifest.input_width)
    slots = cores if engine.name == "onnxruntime" else 1
    places = own_cores() if slots > 1 else []
    lone, unhelped = time_alone(engine, image, cores=places)
    if slots == 1:
        lone = unhelped = min(lone, unhelped)  # there is no difference
    best = measure(
        engine, image, lone=lone, unhelped=unhelped, buckets=buckets, slots=slots, cores=places
    )
    # What is loaded stays. Left to the garbage collector, it would be walked through every few
    # seconds under load, which stops everything for a tenth of a second.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    frame = phantom_jpeg(_FRAME_HEIGHT, _FRAME_WIDTH)
    beside = max(0.0, _time_path(engine, frame, bundle.manifest) - best.lone)
    return Loaded(engine, reason, best, 1 / (1 / best.throughput + beside / cores), frame)


def _time_path(engine: Engine, frame: bytes, manifest: Manifest) -> float:
    """Take an encoded image all the way, alone; return the seconds that it takes."""
    spans = []
    for _ in range(3):
        picture = rehearsal(frame, manifest)
        began = time.perf_counter()
        (probability,) = engine.infer(pad([picture.prepare()], 1))
        picture.finish(Inferred(probability, 0.0))
        spans.append(time.perf_counter() - began)
    return min(spans)
