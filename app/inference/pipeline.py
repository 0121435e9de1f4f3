"""The way of one image through the model: bytes, decode, resize, engine, source size."""

import numpy as np
from numpy.typing import NDArray

from app.imaging import Image, decode, resize, upsample
from app.inference.bundle import Manifest
from app.inference.engine import Engine


def prepare(image: Image, manifest: Manifest) -> NDArray[np.uint8]:
    """Return the input of the model for an image, uint8 `[h, w, 3]`."""
    return resize(image.pixels, manifest.input_height, manifest.input_width)


def predict_image(
    engine: Engine, manifest: Manifest, data: bytes, *, max_pixels: int | None = None
) -> tuple[Image, NDArray[np.float32]]:
    """Take one image through decode, resize, engine and back to source size.

    The service does the same in the same order; only the engine call is shared between requests.

    Args:
        engine: A loaded engine.
        manifest: The manifest of the engine's bundle.
        data: An encoded image.
        max_pixels: Refuse images with more pixels, before decoding.

    Returns:
        The decoded image and its probability map, float32 `[H, W]` in [0, 1] at source size.

    Raises:
        ImageError: The image cannot be decoded or is refused.
        EngineError: The run failed.
    """
    image = decode(data, max_pixels=max_pixels)
    (probability,) = engine.infer(prepare(image, manifest)[np.newaxis])
    return image, upsample(probability, image.header.height, image.header.width)
