"""Writes image files by hand, where no library writes what a service may be sent."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_TIFF_TYPES = {3: "H", 4: "I"}


def encode(picture: NDArray[Any] | Pillow.Image, form: str, **options: Any) -> bytes:
    """Encodes pixels with Pillow."""
    image = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    samples: NDArray[Any],
    depth: int,
    colour_type: int,
    *chunks: tuple[bytes, bytes],
    size: tuple[int, int] | None = None,
) -> bytes:
    """A PNG of any depth and colour type from integer samples `[H, W]` or `[H, W, C]`.

    Other chunks stand before the pixels; `size` is a (height, width) to state falsely.
    """
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1).astype(">u2")
    assert rows.shape[1] == width * _SAMPLES[colour_type]
    bits = np.unpackbits(rows.view(np.uint8).reshape(height, -1, 2), axis=2)[:, :, -depth:]
    packed = np.packbits(bits.reshape(height, -1), axis=1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))
    stated = size or (height, width)
    header = struct.pack(">IIBBBBB", stated[1], stated[0], depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def bmp(
    rows: bytes,
    height: int,
    width: int,
    bits: int,
    *,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    palette: bytes = b"",
) -> bytes:
    """A Windows bitmap; `rows` are stored as they are, bottom row first, padded to 4 bytes."""
    # Four masks are part of a BITMAPV3INFOHEADER, three follow a BITMAPINFOHEADER.
    header_size = 56 if len(masks) == 4 else 40
    extra = struct.pack(f"<{len(masks)}I", *masks) + palette
    start = 14 + 40 + len(extra)
    header = struct.pack(
        "<IiiHHIIiiII", header_size, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0
    )
    return struct.pack("<2sIII", b"BM", start + len(rows), 0, start) + header + extra + rows


def tiff(tags: dict[int, int | tuple[int, ...]], pixels: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory; `pixels` lie at offset 8."""
    directory = struct.pack("<H", len(tags))
    values = b""
    at = 8 + len(pixels)
    for tag, value in sorted(tags.items()):
        items = value if isinstance(value, tuple) else (value,)
        body = struct.pack(f"<{len(items)}I", *items)
        if len(items) > 1:
            place = at + 2 + 12 * len(tags) + 4 + len(values)
            values += body
            body = struct.pack("<I", place)
        directory += struct.pack("<HHI", tag, 4, len(items)) + body
    return struct.pack("<2sHI", b"II", 42, at) + pixels + directory + bytes(4) + values
