"""Reads what an image promises, before a single pixel is decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image as Pillow
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import STRIPOFFSETS, TILEOFFSETS, ImageFileDirectory_v2, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from app.imaging.errors import TooManyPixels, UndecodableImage
from app.imaging.formats import MEDIA_TYPES, sniff

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

_MAX_STRIPS: Final = 65_536
_ORIENTATION: Final = 0x0112  # EXIF and TIFF share the tag
_TRANSPOSED: Final = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an image says.

    Attributes:
        format: `"PNG"`, `"JPEG"`, `"TIFF"`, `"BMP"` or `"WEBP"`.
        media_type: The media type of `format`.
        width: Width in pixels, orientation applied (source size).
        height: Height in pixels, orientation applied (source size).
        orientation: EXIF orientation, 1 to 8; 1 where there is none or it is not valid.
    """

    format: str
    media_type: str
    width: int
    height: int
    orientation: int


class BoundedReader(io.BytesIO):
    """Bytes that can be read in a limited number of pieces.

    Pillow walks segments, chunks and tags in Python. A file made of millions of empty ones would
    hold the interpreter for many seconds; honest files need a few thousand reads at most.
    """

    LIMIT: Final = 200_000

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads as `io.BytesIO` does.

        Raises:
            UndecodableImage: After `LIMIT` calls.
        """
        self._reads += 1
        if self._reads > self.LIMIT:
            raise UndecodableImage("The image consists of too many pieces.")
        return super().read(size)


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
        TooManyPixels: More than `max_pixels`.
    """
    return open_image(data, max_pixels=max_pixels)[0]


def open_image(data: bytes, *, max_pixels: int | None = None) -> tuple[Header, ImageFile]:
    """Reads the header and returns Pillow's lazy image beside it; see `read_header`."""
    name = sniff(data)
    if name == "WEBP":
        # libwebp allocates the canvas when Pillow opens the file.
        _check_size(_webp_canvas(data), max_pixels)
    image = _open(data, name)
    if getattr(image, "is_animated", False):
        raise UndecodableImage(f"The {name} holds several frames; send a single image.")
    _check_size(image.size, max_pixels)
    orientation = _orientation(image)
    width, height = image.size
    # Pillow has already swapped the sides of a TIFF.
    if orientation in _TRANSPOSED and name != "TIFF":
        width, height = height, width
    return Header(name, MEDIA_TYPES[name], width, height, orientation), image


def _open(data: bytes, name: str) -> ImageFile:
    try:
        if name == "TIFF":
            _check_strips(data)
        return _PLUGINS[name](BoundedReader(data))
    except UndecodableImage:
        raise
    except Exception:  # noqa: BLE001, S110 - Pillow raises a dozen kinds, warnings among them
        pass
    # Raised out here, so that no traceback carries Pillow's words, which quote the input.
    raise UndecodableImage(f"The header of the {name} is truncated or damaged.")


def _check_strips(data: bytes) -> None:
    # Pillow makes an object of every strip as it opens a file: microseconds each, but there is
    # room for millions.
    reader = BoundedReader(data)
    header = reader.read(16 if data[2:4] in {b"+\0", b"\0+"} else 8)
    directory = ImageFileDirectory_v2(header)
    reader.seek(directory.next)
    directory.load(reader)
    if max(len(directory.get(tag, ())) for tag in (STRIPOFFSETS, TILEOFFSETS)) > _MAX_STRIPS:
        raise UndecodableImage("The TIFF consists of too many strips or tiles.")


def _check_size(size: tuple[int, int], limit: int | None) -> None:
    width, height = size
    if limit is not None and width * height > limit:
        raise TooManyPixels(width, height, limit)


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Reads the canvas size as RFC 9649 lays it out; (0, 0) where the header is incomplete."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 0, 0
    if kind == b"VP8X":
        return (
            int.from_bytes(body[4:7], "little") + 1,
            int.from_bytes(body[7:10], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return (
        int.from_bytes(body[6:8], "little") & 0x3FFF,
        int.from_bytes(body[8:10], "little") & 0x3FFF,
    )


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
