"""The way of one image through the model: bytes, decode, crop, resize, engine, source size."""

import numpy as np
from numpy.typing import NDArray

from app.imaging import Field, Image, decode, field_of_view, resize, upsample
from app.inference.bundle import Manifest
from app.inference.engine import Engine


def view(image: Image, manifest: Manifest) -> Field:
    """Return the part of an image that the model looks at."""
    if manifest.cropped:
        return field_of_view(image.pixels)
    return Field(0, 0, image.header.height, image.header.width)


def prepare(image: Image, manifest: Manifest, field: Field) -> NDArray[np.uint8]:
    """Return the input of the model for that part of an image, uint8 `[h, w, 3]`."""
    return resize(field.crop(image.pixels), manifest.input_height, manifest.input_width)


def at_source(
    probability: NDArray[np.float32], field: Field, height: int, width: int
) -> NDArray[np.float32]:
    """Bring what the model says of a part to source size.

    Args:
        probability: float32 `[h, w]` in [0, 1].
        field: The part, in source pixels.
        height: Source height in pixels.
        width: Source width in pixels.

    Returns:
        float32 `[height, width]`, 0 outside the part.
    """
    return field.place(upsample(probability, field.height, field.width), height, width)


def predict_image(
    engine: Engine, manifest: Manifest, data: bytes, *, max_pixels: int | None = None
) -> tuple[Image, NDArray[np.float32]]:
    """Take one image through decode, crop, resize, engine and back to source size.

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
    field = view(image, manifest)
    (probability,) = engine.infer(prepare(image, manifest, field)[np.newaxis])
    return image, at_source(probability, field, image.header.height, image.header.width)
