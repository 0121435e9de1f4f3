"""What it does to masks that a large JPEG is decoded at a part of its size.

Usage: python -m benchmarks.shrink --data DATA [--bundle models/polyp-unet/1]

Each frame of Kvasir-SEG that is large enough goes through the model twice: as the JPEG that it is,
and as a bitmap of all its pixels, which is halved two by two pixels instead.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from app.imaging import decode, segment
from app.inference import Engine, Manifest, load_bundle, predict_image
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from benchmarks.fire.proof import BUNDLE, Figure, conclude
from model_training.datasets import Frame, read_kvasir
from model_training.evaluation.metrics import confusion
from model_training.evaluation.robustness import bitmap


@dataclass(frozen=True, slots=True)
class Agreement:
    """One frame.

    Attributes:
        between: Dice of its two masks.
        small: Dice with the truth of the mask that is served.
        whole: Dice with the truth of the mask of all pixels.
    """

    between: float
    small: float
    whole: float


def agreements(engine: Engine, manifest: Manifest, frames: Iterable[Frame]) -> Iterator[Agreement]:
    """Compare the masks of each frame that is not decoded whole."""
    for frame in frames:
        data, size = frame.image.read_bytes(), (manifest.input_height, manifest.input_width)
        if decode(data, enough=size).shrink == 1:
            continue
        truth = frame.read_mask()
        small, whole = (
            segment(
                predict_image(engine, manifest, encoded)[1],
                manifest.threshold,
                min_area=manifest.min_area,
            ).mask
            for encoded in (data, bitmap(decode(data).pixels))
        )
        yield Agreement(
            between=confusion(small, whole).dice,
            small=confusion(small, truth).dice,
            whole=confusion(whole, truth).dice,
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="folder of its version")
    given = parser.parse_args()
    bundle = load_bundle(given.bundle.parent, given.bundle.name)
    engine = OnnxRuntimeEngine(bundle, threads=1)
    frames = read_kvasir(given.data / "kvasir_seg", verify="headers").frames
    found = list(agreements(engine, bundle.manifest, track(frames, description="Comparing")))
    between = [one.between for one in found]
    conclude(
        [
            Figure("frames that are not decoded whole", len(found)),
            Figure("Dice between the masks, mean", _mean(between), 0.995, least=True),
            Figure("Dice between the masks, worst", min(between), 0.95, least=True),
            Figure("Dice with the truth, as served", _mean(one.small for one in found)),
            Figure("Dice with the truth, decoded whole", _mean(one.whole for one in found)),
        ]
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
