"""Turns the bytes of an image into the RGB pixels that a browser shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from app.imaging.errors import UndecodableImage
from app.imaging.header import Header, open_image


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded image.

    Attributes:
        pixels: RGB, uint8 `[height, width, 3]`, C-contiguous, orientation applied.
        header: What the header said; its size is the size of `pixels`.
    """

    pixels: NDArray[np.uint8]
    header: Header


def decode(data: bytes, *, max_pixels: int | None = None) -> Image:
    """Decodes one still image.

    EXIF orientation is applied, 16-bit samples are scaled to 8, transparent pixels are composited
    on black. ICC profiles and gamma are ignored. Safe to call from many threads; both decoders
    release the interpreter lock.

    Args:
        data: A whole PNG, JPEG, TIFF, BMP or WebP file. Only its bytes tell which.
        max_pixels: The largest accepted `width * height`, checked before decoding; `None` for no
            limit.

    Returns:
        The pixels and the header.

    Raises:
        UnsupportedFormat: A known format that is not accepted.
        UndecodableImage: Empty, text, truncated, damaged, or several frames.
        TooManyPixels: More than `max_pixels`.
    """
    header, image = open_image(data, max_pixels=max_pixels)
    # OpenCV needs a third less time. Where it gives up, Pillow is the judge.
    pixels = _decode_opencv(data, image) if _opencv_shows_the_same(image) else None
    if pixels is None:
        pixels = _decode_pillow(data, image)
    if header.format != "TIFF":  # Pillow orients a TIFF when it loads it
        pixels = _orient(pixels, header.orientation)
    return Image(np.ascontiguousarray(pixels), header)


def _opencv_shows_the_same(image: ImageFile) -> bool:
    """Whether OpenCV decodes such an image as a browser does.

    It drops alpha, which uncovers hidden colours, and guesses at CMYK; Pillow takes those.
    """
    match image.format:
        case "JPEG":
            return image.mode in {"L", "RGB"}
        case "PNG":
            depth_is_8 = bool(image.tile) and not str(image.tile[0].args).endswith("16B")
            hidden = "transparency" in image.info or "bbox" in image.info
            return image.mode in {"1", "L", "P", "RGB"} and depth_is_8 and not hidden
        case "WEBP" | "BMP":
            return image.mode == "RGB"
        case _:
            return False


def _decode_opencv(data: bytes, image: ImageFile) -> NDArray[np.uint8] | None:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if pixels is None or pixels.shape != (image.height, image.width, 3):
        return None
    return np.asarray(pixels, np.uint8)


def _decode_pillow(data: bytes, image: ImageFile) -> NDArray[np.uint8]:
    try:
        if image.format == "PNG":
            # Pillow takes a PNG whose end is missing, if the rows are there; verify() does not,
            # but it uses its image up.
            open_image(data)[1].verify()
        image.load()
        return _to_rgb(image)
    except UndecodableImage:
        raise
    except Exception:  # noqa: BLE001, S110 - Pillow raises a dozen kinds, warnings among them
        pass
    # Raised out here, so that no traceback carries Pillow's words, which quote the input.
    raise UndecodableImage(f"The {image.format} is truncated, damaged, or of an unknown kind.")


def _to_rgb(image: Pillow.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        samples = np.asarray(image)
        grey = (samples >> 8).astype(np.uint8)
        hidden = image.info.get("transparency")
        if isinstance(hidden, int):
            grey[samples == hidden] = 0
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode in {"I", "F"}:
        raise UndecodableImage(f"The {image.format} has 32 bits a sample; send 8 or 16.")
    if image.has_transparency_data:
        straight = np.asarray(image.convert("RGBA"))
        alpha = cv2.cvtColor(straight[:, :, 3], cv2.COLOR_GRAY2RGB)
        return np.asarray(cv2.multiply(straight[:, :, :3], alpha, scale=1 / 255), np.uint8)
    return np.asarray(image.convert("RGB"))


def _orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Applies an EXIF orientation (CIPA DC-008, tag 0x0112); returns a view where it can."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels
