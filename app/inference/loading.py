"""From a bundle to a warm engine, used in the best way that was measured."""

import gc
import time
from dataclasses import dataclass

from app.imaging import phantom, render_overlay, render_png, segment
from app.inference.bundle import Bundle
from app.inference.cores import available_cores, own_cores
from app.inference.engine import Engine
from app.inference.measurement import Measurement, buckets_for, measure, preferred, time_alone
from app.inference.pipeline import predict_image
from app.inference.selection import Choice, load_engine

_WARM_HEIGHT, _WARM_WIDTH = 576, 720


@dataclass(frozen=True, slots=True)
class Loaded:
    """A warm engine.

    Attributes:
        engine: The engine.
        reason: Why this one, in one line.
        measurement: How it is used best.
        rate: Answers per second to expect of the whole path.
    """

    engine: Engine
    reason: str
    measurement: Measurement
    rate: float


def load(bundle: Bundle, choice: Choice, max_batch: int | None = None) -> Loaded:
    """Load the engine that was chosen, warm it, and measure how to use it. Blocking, for seconds.

    On a processor ONNX Runtime has a slot a core. One whose lone run uses all cores competes with
    one that never uses more than one; beside other runs there is no difference between them.

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
    engines = [engine]
    if slots > 1:
        single = Choice(engine.name, engine.device, reason)
        engines.append(load_engine(bundle, single, threads=1).engine)
    times = time_alone(engines, image, cores=places)
    chosen = preferred(times)
    engine, lone = engines.pop(chosen), times[chosen]
    for other in engines:
        other.close()
    best = measure(engine, image, lone=lone, buckets=buckets, slots=slots, cores=places)
    # What is loaded stays. Left to the garbage collector, it would be walked through every few
    # seconds under load, which stops everything for a tenth of a second.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    beside = max(0.0, _time_path(engine, bundle) - best.lone)
    return Loaded(engine, reason, best, rate=1 / (1 / best.throughput + beside / cores))


def _time_path(engine: Engine, bundle: Bundle) -> float:
    """Take a phantom all the way, so that the first request finds a warm path; return seconds."""
    pixels, mask = phantom(_WARM_HEIGHT, _WARM_WIDTH)
    data = render_overlay(pixels, mask)
    spans = []
    for _ in range(3):
        began = time.perf_counter()
        _, probability = predict_image(engine, bundle.manifest, data)
        render_png(segment(probability, bundle.manifest.threshold).mask)
        spans.append(time.perf_counter() - began)
    return min(spans)
