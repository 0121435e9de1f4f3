"""Turns the bytes of an image into the RGB pixels that a browser shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from app.imaging.errors import UndecodableImage
from app.imaging.header import Header, open_image

_COLOUR: Final = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION

# OpenCV logs every damaged file to stderr, between the lines of whoever runs it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


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
    flags = _opencv_flags(image)
    pixels = None if flags is None else _decode_opencv(data, image, flags)
    if pixels is None:
        pixels = _decode_pillow(data, image)
    if header.format != "TIFF":  # Pillow has done that
        pixels = _orient(pixels, header.orientation)
    return Image(np.ascontiguousarray(pixels), header)


def _opencv_flags(image: ImageFile) -> int | None:
    """How OpenCV shows such an image as a browser does; `None` where it does not.

    OpenCV takes a third less time than Pillow. But it guesses at CMYK, forgets the transparent
    value of a grey PNG, shows 5-bit white as 248, and reads a TIFF through an RGBA detour.
    """
    # Unchanged keeps alpha, which the colour flag would drop, uncovering what was hidden.
    flags = cv2.IMREAD_UNCHANGED if image.has_transparency_data else _COLOUR
    match image.format:
        case "JPEG":
            return None if image.mode == "CMYK" else flags
        case "PNG":
            hidden_grey = "transparency" in image.info and image.mode in {"1", "L", "I;16"}
            one_frame_animation = "bbox" in image.info
            return None if hidden_grey or one_frame_animation else flags
        case "WEBP":
            return flags
        case "BMP":
            return flags if _is_run_length(image) or _rawmode(image) in {"BGR", "BGRX"} else None
        case _:
            return None


def _decode_opencv(data: bytes, image: ImageFile, flags: int) -> NDArray[np.uint8] | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    channels = 3 if flags == _COLOUR else 4
    if pixels is None or pixels.shape != (image.height, image.width, channels):
        return None
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if channels == 4:
        return _on_black(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), np.uint8))
    return np.asarray(pixels, np.uint8)


def _decode_pillow(data: bytes, image: ImageFile) -> NDArray[np.uint8]:
    try:
        # Pillow walks runs in Python: seconds with the interpreter lock held. What OpenCV has
        # refused is not worth that.
        if not _is_run_length(image):
            if image.format == "PNG":
                # load() takes a PNG whose end is missing, if the rows are there. verify() does
                # not, but it uses its image up.
                open_image(data)[1].verify()
                _scale_hidden_grey(image)
            # Pillow orients a TIFF as it loads it, by XMP if by nothing else.
            image.info.pop("xmp", None)
            image.load()
            return _to_rgb(image)
    except UndecodableImage:
        raise
    except Exception:  # noqa: BLE001, S110 - Pillow raises a dozen kinds, warnings among them
        pass
    # Raised out here, so that no traceback carries Pillow's words, which quote the input.
    raise UndecodableImage(f"The {image.format} is truncated, damaged, or of an unknown kind.")


def _to_rgb(image: Pillow.Image) -> NDArray[np.uint8]:
    if image.mode in {"I", "F"}:
        raise UndecodableImage(f"The {image.format} has 32 bits a sample; send 8 or 16.")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        samples = np.asarray(image)
        grey = (samples >> 8).astype(np.uint8)
        if "transparency" in image.info:
            grey[samples == image.info["transparency"]] = 0
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        return _on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))  # a copy: Pillow's own memory is read-only


def _on_black(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = cv2.cvtColor(rgba[:, :, 3], cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(rgba[:, :, :3], alpha, scale=1 / 255), np.uint8)


def _scale_hidden_grey(image: ImageFile) -> None:
    # Pillow scales samples of 2 and 4 bits to 8, but not the sample that means transparent.
    steps = {"L;2": 85, "L;4": 17}.get(_rawmode(image))
    if steps and "transparency" in image.info:
        image.info["transparency"] *= steps


def _is_run_length(image: ImageFile) -> bool:
    return bool(image.tile) and image.tile[0].codec_name == "bmp_rle"


def _rawmode(image: ImageFile) -> str:
    args = image.tile[0].args if image.tile else None
    return str(args[0] if isinstance(args, tuple) else args)


def _orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Applies an EXIF orientation (CIPA DC-008, tag 0x0112); returns a view where it can."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels
