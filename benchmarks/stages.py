"""Where each millisecond of a request goes, stage by stage, in one thread and without HTTP.

Usage: python -m benchmarks.stages [--runs 60]

Processor time, the best of many runs: other work on the machine makes it longer, never shorter.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console

from app.imaging import (
    compress_rle,
    decode,
    encode_rle,
    field_of_view,
    phantom,
    phantom_jpeg,
    read_header,
    render_overlay,
    render_png,
    render_probability,
    resize,
    segment,
    upsample,
)
from app.inference import load_bundle
from app.inference.engine import check_probability
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from benchmarks.fire.proof import options
from benchmarks.pictures import SIZES
from benchmarks.tables import markdown


def best_ms(function: Callable[[], object], runs: int) -> float:
    """Return milliseconds of processor time of this process."""
    function()
    times = []
    for _ in range(runs):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def stages(
    size: str, engine: OnnxRuntimeEngine, side: tuple[int, int]
) -> dict[str, Callable[[], object]]:
    """Return every stage of a picture of some size, ready to run."""
    height, width = SIZES[size]
    data = phantom_jpeg(height, width)
    image = decode(data, enough=side)
    pixels, shrink = image.pixels, image.shrink
    field = field_of_view(pixels, shrink)
    small = resize(field.crop(pixels, shrink), *side)[np.newaxis]
    answer = engine.infer(small)
    # The drawn polyp with a soft edge: what the model says about a drawing does not matter here.
    _, truth = phantom(*side)
    soft = cv2.GaussianBlur(truth, (0, 0), 5).astype(np.float32) / 255
    probability = upsample(soft, height, width)
    mask = segment(probability, 0.5).mask
    counts = encode_rle(mask)
    return {
        "header": lambda: read_header(data),
        "decode, header included": lambda: decode(data, enough=side),
        "field of view": lambda: field_of_view(pixels, shrink),
        "crop and resize": lambda: resize(field.crop(pixels, shrink), *side),
        "engine, one thread": lambda: engine.infer(small),
        "check of the answer": lambda: check_probability(answer, answer.shape),
        "upsample": lambda: upsample(soft, height, width),
        "threshold and regions": lambda: segment(probability, 0.5),
        "PNG of the mask": lambda: render_png(mask),
        "RLE": lambda: encode_rle(mask),
        "RLE, compressed": lambda: compress_rle(counts),
        "PNG of the probability": lambda: render_probability(probability),
        "PNG of the overlay": lambda: render_overlay(decode(data).pixels, mask),
    }


def main() -> None:
    """Measure and print a table."""
    given = options(__doc__, runs=60)
    bundle = load_bundle(given.bundle.parent, given.bundle.name)
    side = (bundle.manifest.input_height, bundle.manifest.input_width)
    engine = OnnxRuntimeEngine(bundle, threads=1)
    columns = {
        size: {name: best_ms(run, given.runs) for name, run in stages(size, engine, side).items()}
        for size in SIZES
    }
    rows = [
        [name, *(f"{columns[size][name]:.2f}" for size in SIZES)] for name in columns["720x576"]
    ]
    Console().print(markdown(["processor ms", *SIZES], rows))


if __name__ == "__main__":
    main()
