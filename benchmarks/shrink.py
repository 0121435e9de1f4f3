"""What it does to masks that a large JPEG is decoded at a part of its size.

Usage: python -m benchmarks.shrink --data DATA [--bundle models/polyp-unet/1]

Each frame of Kvasir-SEG that is large enough goes through the model twice: as the JPEG that it is,
and as a bitmap of all its pixels, which is halved two by two pixels instead. Then each of them does
so once more in full HD, in a black border of some width.
"""

import argparse
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from app.imaging import Field, decode, segment
from app.inference import Engine, Manifest, load_bundle, predict_image
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from benchmarks.fire.proof import BUNDLE, Figure, conclude
from model_training.datasets import Frame, read_kvasir
from model_training.evaluation.metrics import confusion
from model_training.evaluation.robustness import bitmap

_HEIGHT: Final = 1080
_WIDTH: Final = 1920


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


def agreements(
    engine: Engine, manifest: Manifest, frames: Iterable[Frame], *, border: bool = False
) -> Iterator[Agreement]:
    """Compare the masks of each frame that is not decoded whole.

    Args:
        engine: A loaded engine.
        manifest: Of its bundle.
        frames: With a polyp.
        border: Put them into a border first.
    """
    for number, frame in enumerate(frames):
        data, size = frame.image.read_bytes(), (manifest.input_height, manifest.input_width)
        if decode(data, enough=size).shrink == 1:
            continue
        truth = frame.read_mask()
        if border:
            place = _place(number)
            truth = _framed(truth, place)
            data = _jpeg(_framed(decode(data).pixels, place))
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
    figures = []
    for border, mean, worst in ((False, 0.995, 0.95), (True, 0.99, None)):
        told = track(frames, description="In a border" if border else "As they are")
        found = list(agreements(engine, bundle.manifest, told, border=border))
        between = [one.between for one in found]
        figures += [
            Figure(
                "frames in a border" if border else "frames that are not decoded whole", len(found)
            ),
            Figure("Dice between the masks, mean", _mean(between), mean, least=True),
            Figure("Dice between the masks, worst", min(between), worst, least=True),
            Figure("Dice with the truth, as served", _mean(one.small for one in found)),
            Figure("Dice with the truth, decoded whole", _mean(one.whole for one in found)),
        ]
    conclude(figures)


def _place(number: int) -> Field:
    """Draw a place for a frame in full HD."""
    draw = random.Random(number)  # noqa: S311 - no secret
    height, width = draw.randint(600, 1060), draw.randint(900, 1600)
    return Field(draw.randint(0, _HEIGHT - height), draw.randint(0, _WIDTH - width), height, width)


def _framed(pixels: NDArray[np.uint8], place: Field) -> NDArray[np.uint8]:
    """Stretch an image or a mask to a place, in black."""
    whole = np.zeros((_HEIGHT, _WIDTH, *pixels.shape[2:]), np.uint8)
    mode = cv2.INTER_LINEAR if pixels.ndim == 3 else cv2.INTER_NEAREST
    place.crop(whole)[:] = cv2.resize(pixels, (place.width, place.height), interpolation=mode)
    return whole


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 92))
    return data.tobytes()


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


if __name__ == "__main__":
    main()
