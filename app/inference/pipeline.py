"""The way of one image through the model: bytes, decode, crop, resize, engine, source size."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.imaging import Field, Header, Image, decode, field_of_view, resize, upsample
from app.inference.bundle import Manifest
from app.inference.engine import Engine, check_probability

# Of the input's height and width: so many rows and columns a part of a small decoding must have.
_FINE_ENOUGH: Final = 0.75


@dataclass(frozen=True, slots=True)
class View:
    """What the model sees of an image.

    Attributes:
        header: Header of the image.
        field: The part of it that the model looks at.
        pixels: The input of the model, uint8 `[h, w, 3]`.
    """

    header: Header
    field: Field
    pixels: NDArray[np.uint8]


def look(data: bytes, manifest: Manifest, *, max_pixels: int | None = None) -> View:
    """Decode, crop and resize an image.

    A JPEG that has more pixels than the model takes is decoded at a part of its size; once more,
    larger, if a border has left too little of it for the field of view.

    Args:
        data: An encoded image.
        manifest: Of the model.
        max_pixels: Refuse images with more pixels, before decoding.

    Raises:
        ImageError: The image cannot be decoded or is refused.
    """
    height, width = manifest.input_height, manifest.input_width
    image, field = _decode(data, manifest, (height, width), max_pixels)
    fine = _FINE_ENOUGH * image.shrink
    if image.shrink > 1 and (field.height < fine * height or field.width < fine * width):
        whole = image.header
        enough = (height * whole.height // field.height, width * whole.width // field.width)
        del image
        image, field = _decode(data, manifest, enough, max_pixels)
    pixels = resize(field.crop(image.pixels, image.shrink), height, width)
    return View(image.header, field, pixels)


def _decode(
    data: bytes, manifest: Manifest, enough: tuple[int, int], max_pixels: int | None
) -> tuple[Image, Field]:
    image = decode(data, max_pixels=max_pixels, enough=enough)
    if manifest.cropped:
        return image, field_of_view(image.pixels, image.shrink)
    return image, Field(0, 0, image.header.height, image.header.width)


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
) -> tuple[View, NDArray[np.float32]]:
    """Take one image through decode, crop, resize, engine and back to source size.

    The service does the same; only the engine call is shared between requests, and regions are
    found before they are put into their place in the frame.

    Args:
        engine: A loaded engine.
        manifest: The manifest of the engine's bundle.
        data: An encoded image.
        max_pixels: Refuse images with more pixels, before decoding.

    Returns:
        What the model saw, and the probability map, float32 `[H, W]` in [0, 1] at source size.

    Raises:
        ImageError: The image cannot be decoded or is refused.
        EngineError: The run failed, or gave something that is no probability.
    """
    view = look(data, manifest, max_pixels=max_pixels)
    maps = engine.infer(view.pixels[np.newaxis])
    check_probability(maps, (1, *view.pixels.shape[:2]))
    (probability,) = maps
    return view, at_source(probability, view.field, view.header.height, view.header.width)
