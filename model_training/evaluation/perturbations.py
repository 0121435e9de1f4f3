"""What happens to frames on their way: compression, light, colour, focus, orientation, borders.

Each takes an image, uint8 `[H, W, 3]` RGB, and its truth, uint8 `[H, W]`, and returns both anew;
the truth moves with the image.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from app.imaging import decode, resize

Pixels = NDArray[np.uint8]
Perturbation = Callable[[Pixels, Pixels], tuple[Pixels, Pixels]]


def jpeg(image: Pixels, truth: Pixels, *, quality: int) -> tuple[Pixels, Pixels]:
    """Compress and decompress the image."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return decode(data.tobytes()).pixels, truth


def half_resolution(image: Pixels, truth: Pixels) -> tuple[Pixels, Pixels]:
    """Shrink the image to half of its size and enlarge it again, as a frame grabber may."""
    height, width = truth.shape
    small = resize(image, max(1, height // 2), max(1, width // 2))
    return resize(small, height, width), truth


def gain(
    image: Pixels, truth: Pixels, *, red: float, green: float, blue: float
) -> tuple[Pixels, Pixels]:
    """Multiply each channel and cut at 255: a lamp or a white balance that is another."""
    changed = image.astype(np.float32) * np.array([red, green, blue], np.float32)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8), truth


def saturation(image: Pixels, truth: Pixels, *, factor: float) -> tuple[Pixels, Pixels]:
    """Move each pixel towards its grey (factor under 1) or away from it."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    changed = grey + factor * (image - grey)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8), truth


def blur(image: Pixels, truth: Pixels, *, share: float) -> tuple[Pixels, Pixels]:
    """Blur by a Gaussian whose standard deviation is a share of the shorter side."""
    sigma = share * min(truth.shape)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8), truth


def quarter_turn(image: Pixels, truth: Pixels) -> tuple[Pixels, Pixels]:
    """Rotate by 90 degrees against the clock."""
    return np.ascontiguousarray(np.rot90(image)), np.ascontiguousarray(np.rot90(truth))


def black_border(image: Pixels, truth: Pixels, *, share: float) -> tuple[Pixels, Pixels]:
    """Add a border on each side, a share of the height above and below, of the width beside."""
    high, wide = (round(share * side) for side in truth.shape)
    margins = (high, high), (wide, wide)
    return np.pad(image, (*margins, (0, 0))), np.pad(truth, margins)


PERTURBATIONS: dict[str, Perturbation] = {
    "JPEG quality 40": partial(jpeg, quality=40),
    "half resolution": half_resolution,
    "darker by 40 %": partial(gain, red=0.6, green=0.6, blue=0.6),
    "brighter by 40 %": partial(gain, red=1.4, green=1.4, blue=1.4),
    "warmer": partial(gain, red=1.15, green=1.0, blue=0.85),
    "colder": partial(gain, red=0.85, green=1.0, blue=1.15),
    "paler": partial(saturation, factor=0.6),
    "blurred": partial(blur, share=0.007),
    "rotated by 90 degrees": quarter_turn,
    "black border of 20 %": partial(black_border, share=0.2),
}
"""By the name that tables show; docs/evaluation.md describes each."""
