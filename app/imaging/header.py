"""Reads what an image promises, before a single pixel is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PIL import Image as Pillow
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from app.imaging.errors import TooManyPixels, UndecodableImage
from app.imaging.formats import sniff
from app.imaging.proportion import BoundedReader, check_proportion

# `max_pixels` is the limit here, checked before anything is allocated. Pillow's own limit would
# warn (through `warnings`, which threads share) or refuse sizes that a caller has allowed.
Pillow.MAX_IMAGE_PIXELS = None

# The plugin is named, not looked for: `PIL.Image.open` imports all 40 of them when a file is
# damaged, and would hand such a file to a format that nobody asked for.
_PLUGINS: Final[dict[str, type[ImageFile]]] = {
    "BMP": BmpImageFile,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}

# That of libpng, which would call the image damaged; one rule for all formats.
_MAX_SIDE: Final = 1_000_000

_ORIENTATION: Final = 0x0112  # EXIF and TIFF share the tag
_TRANSPOSED: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an image says.

    Attributes:
        format: `"PNG"`, `"JPEG"`, `"TIFF"`, `"BMP"` or `"WEBP"`.
        width: Width in pixels, orientation applied (source size).
        height: Height in pixels, orientation applied (source size).
        orientation: EXIF orientation, 1 to 8; 1 where there is none or it is not valid.
    """

    format: str
    width: int
    height: int
    orientation: int


def read_header(data: bytes, *, max_pixels: int | None = None) -> Header:
    """Reads format, size and orientation; decodes nothing.

    Args:
        data: A whole image file.
        max_pixels: The largest accepted `width * height`; `None` for no limit.

    Returns:
        What the header says.

    Raises:
        UnsupportedFormat: A known format that is not accepted.
        UndecodableImage: No image, a damaged header, or several frames.
        TooManyPixels: More than `max_pixels`, or than 1,000,000 a side.
    """
    return open_image(data, max_pixels=max_pixels)[0]


def open_image(data: bytes, *, max_pixels: int | None = None) -> tuple[Header, ImageFile]:
    """Reads the header and returns Pillow's lazy image beside it; see `read_header`."""
    name = sniff(data)
    # Before Pillow opens the file: then it inflates the texts of a PNG, and libwebp allocates.
    _check_size(_early_size(data, name), max_pixels)
    image = _open(data, name)
    if getattr(image, "is_animated", False):
        raise UndecodableImage(f"The {name} holds several frames; send a single image.")
    _check_size(image.size, max_pixels)
    orientation = _orientation(image)
    width, height = image.size
    # Pillow has already swapped the sides of a TIFF.
    if orientation in _TRANSPOSED and name != "TIFF":
        width, height = height, width
    return Header(name, width, height, orientation), image


def _open(data: bytes, name: str) -> ImageFile:
    try:
        check_proportion(data, name)
        return _PLUGINS[name](BoundedReader(data))
    except (UndecodableImage, MemoryError):
        raise
    except Exception:  # noqa: BLE001, S110 - Pillow raises a dozen kinds, warnings among them
        pass
    # Raised out here, so that no traceback carries Pillow's words, which quote the input.
    raise UndecodableImage(f"The header of the {name} is truncated or damaged.")


def _check_size(size: tuple[int, int], limit: int | None) -> None:
    width, height = size
    if limit is not None and width * height > limit:
        raise TooManyPixels(width, height, limit)
    if max(size) > _MAX_SIDE:
        raise TooManyPixels(width, height, _MAX_SIDE, "a side")


def _early_size(data: bytes, name: str) -> tuple[int, int]:
    """The stored size, where it stands at a fixed place (PNG; WebP: RFC 9649), else (0, 0)."""
    if len(data) < 30:
        return 0, 0
    kind = data[12:16]
    if name == "PNG" and kind == b"IHDR":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if name == "WEBP" and kind == b"VP8X":
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if name == "WEBP" and kind == b"VP8L":
        bits = _little(data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == "WEBP" and kind == b"VP8 ":
        return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return 0, 0


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _orientation(image: ImageFile) -> int:
    # Not `image.getexif()`: it decodes a whole PNG to look behind the pixels, and takes
    # orientation from XMP, which browsers do not.
    try:
        if isinstance(image, TiffImageFile):
            value = image.tag_v2.get(_ORIENTATION, 1)
        else:
            exif = Pillow.Exif()
            exif.load(image.info.get("exif", b""))
            value = exif.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF is no reason to refuse the pixels
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
