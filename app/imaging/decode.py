"""Turns the bytes of an image into RGB pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLESPERPIXEL,
    TiffImageFile,
)

from app.imaging.errors import UndecodableImage
from app.imaging.header import Header, open_image

# OpenCV logs every damaged file to stderr, between the lines of whoever runs it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# "Grayscale" stands for the bit of the factor alone; what has "color" in its name means BGR, too.
_SHRINK: Final = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded image.

    Attributes:
        pixels: RGB, uint8 `[height / shrink, width / shrink, 3]`, C-contiguous, orientation
            applied.
        header: What the header said.
        shrink: The source is so many times as high and as wide as `pixels`: 1, 2, 4 or 8.
    """

    pixels: NDArray[np.uint8]
    header: Header
    shrink: int = 1


def decode(
    data: bytes, *, max_pixels: int | None = None, enough: tuple[int, int] | None = None
) -> Image:
    """Decodes one still image.

    EXIF orientation is applied, 16-bit samples are scaled to 8, transparent pixels are composited
    on black. ICC profiles and gamma are ignored. Safe to call from many threads; both decoders
    release the interpreter lock.

    Args:
        data: A whole PNG, JPEG, TIFF, BMP or WebP file. Only its bytes tell which.
        max_pixels: The largest accepted `width * height`, checked before decoding; `None` for no
            limit.
        enough: Height and width above which more pixels are of no use. A JPEG whose sides can be
            halved is decoded at half, a quarter or an eighth of its size then, as long as it is no
            smaller: from the lower frequencies of each block (ITU-T T.81), in half of the time.

    Returns:
        The pixels and the header.

    Raises:
        UnsupportedFormat: A known format that is not accepted.
        UndecodableImage: Empty, text, truncated, damaged, or several frames.
        TooManyPixels: More than `max_pixels`, or than 1,000,000 a side.
    """
    header, image = open_image(data, max_pixels=max_pixels)
    shrink = _shrink(header, enough) if enough and header.format == "JPEG" else 1
    try:
        pixels = (
            _decode_opencv(data, image, shrink) if _is_for_opencv(image) else _decode_pillow(image)
        )
    except (UndecodableImage, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - Pillow raises a dozen kinds, warnings among them
        if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        pixels = None
    if pixels is not None and pixels.shape[:2] == (image.height, image.width):
        shrink = 1  # there are no frequencies in a lossless JPEG
    if pixels is None or pixels.shape[:2] != (image.height // shrink, image.width // shrink):
        # Raised out here, so that no traceback carries a library's words, which quote the input.
        raise UndecodableImage(f"The {header.format} is truncated, damaged, or of an unknown kind.")
    if header.format != "TIFF":  # Pillow has done that
        pixels = _orient(pixels, header.orientation)
    return Image(np.ascontiguousarray(pixels), header, shrink)


def _shrink(header: Header, enough: tuple[int, int]) -> int:
    """Return by how much an image may be made smaller, without a rest and no smaller than that."""
    sides = (header.height, header.width)
    whole = (n for n in _SHRINK if not any(side % n for side in sides))
    return max(
        (n for n in whole if all(s >= n * least for s, least in zip(sides, enough, strict=True))),
        default=1,
    )


def _is_for_opencv(image: ImageFile) -> bool:
    """Whether OpenCV shows such an image as a browser does; it takes a third less time.

    It is strict, too: Pillow takes a PNG with too few rows. But it shows 5-bit white in a BMP as
    248 and forgets its alpha. TIFF stays with Pillow, which knows more kinds of it.
    """
    match image.format:
        case "JPEG" | "PNG" | "WEBP":
            return True
        case "BMP":
            codec, rawmode = _coding(image)
            # Pillow walks runs in Python: seconds with the interpreter lock held.
            return codec == "bmp_rle" or rawmode == "BGR"
        case _:
            return False


def _decode_opencv(data: bytes, image: ImageFile, shrink: int) -> NDArray[np.uint8] | None:
    encoded = np.frombuffer(data, np.uint8)
    if not image.has_transparency_data:
        colour = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION | _SHRINK[shrink]
        return cv2.imdecode(encoded, colour)
    # The colour flag would drop alpha, and uncover what it hides.
    samples = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if samples is None:
        return None
    if samples.ndim == 2:
        # Of a grey PNG, OpenCV forgets which value is transparent.
        samples = np.where(samples == _hidden_grey(image), samples.dtype.type(0), samples)
        return cv2.cvtColor(_to_bytes(samples), cv2.COLOR_GRAY2RGB)  # type: ignore[no-any-return]
    # Where libpng ignores broken transparency there is no alpha; the conversion adds an opaque one.
    return _on_black(cv2.cvtColor(_to_bytes(samples), cv2.COLOR_BGRA2RGBA))


def _decode_pillow(image: ImageFile) -> NDArray[np.uint8]:
    # Pillow orients a TIFF as it loads it, by XMP if by nothing else.
    image.info.pop("xmp", None)
    if isinstance(image, TiffImageFile):
        _check_samples(image)
    image.load()
    if image.mode in {"I", "F"}:
        raise UndecodableImage(f"The {image.format} has 32 bits a sample; send 8 or 16.")
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        grey = _to_bytes(np.asarray(image))
        if _zero_is_white(image):
            grey = 255 - grey
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.has_transparency_data:
        return _on_black(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))  # a copy: Pillow's own memory is read-only


def _check_samples(image: TiffImageFile) -> None:
    """Refuse what Pillow takes for something else."""
    tags = image.tag_v2
    bits = max(tags.get(BITSPERSAMPLE, (1,)))
    if 8 < bits < 16:
        raise UndecodableImage(f"The TIFF has {bits} bits a sample; send 8 or 16.")
    apart = tags.get(PLANAR_CONFIGURATION) == 2 and tags.get(SAMPLESPERPIXEL, 1) > 1
    if bits == 16 and apart and _coding(image)[0] == "raw":
        raise UndecodableImage(
            "The TIFF keeps the colours of 16-bit pixels apart; send them interleaved."
        )


def _zero_is_white(image: ImageFile) -> bool:
    # Pillow minds it where there are 8 bits; like there, it is so where nothing is said.
    return isinstance(image, TiffImageFile) and not image.tag_v2.get(PHOTOMETRIC_INTERPRETATION, 0)


def _coding(image: ImageFile) -> tuple[str, str]:
    """Pillow's names of the codec and of the layout of stored pixels."""
    codec, _, _, args = image.tile[0]
    return codec, str(args[0] if isinstance(args, tuple) else args)


def _hidden_grey(image: ImageFile) -> int:
    # Pillow gives the sample as stored, OpenCV has scaled the pixels to 8 bits.
    # Of two bytes, those that the depth does not need are to be left out.
    depth, scale = {"1": (1, 255), "L;2": (2, 85), "L;4": (4, 17), "L": (8, 1)}.get(
        _coding(image)[1], (16, 1)
    )
    return (int(image.info["transparency"]) & (1 << depth) - 1) * scale


def _to_bytes(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Scales 16-bit samples to 8; the high byte is within one level of the exact quotient."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    return np.asarray(samples >> 8, np.uint8)


def _on_black(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = cv2.cvtColor(rgba[:, :, 3], cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(rgba[:, :, :3], alpha, scale=1 / 255), np.uint8)


def _orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Applies an EXIF orientation (CIPA DC-008, tag 0x0112); returns a view where it can."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels
