"""Writes PNG files (W3C, Portable Network Graphics, third edition), for speed rather than size.

Answers are sent once and thrown away. zlib-ng compares many bytes at a time: a mask takes less than
a fifth of the time that OpenCV's libpng takes (docs/performance.md).
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = 0
_RGB: Final = 2
# Filtered and compressed at a time: what a core's own cache holds beside the compressor's tables.
_BAND_BYTES: Final = 256 * 1024


class Filter(IntEnum):
    """What is written of each row (section 9.2): one kind for all, which takes no search.

    Attributes:
        NONE: The samples; the smallest file of a mask.
        UP: Their differences from the row above; the smallest file of a photograph.
    """

    NONE = 0
    UP = 2


def write_png(picture: NDArray[np.uint8], kind: Filter) -> bytes:
    """Write a picture.

    Args:
        picture: uint8 `[H, W]`, or RGB `[H, W, 3]`.
        kind: What is written of each row.

    Returns:
        A PNG of 8 bits a sample.
    """
    height, width = picture.shape[:2]
    # Runs alone: they are most of what there is to find, in a mask and in differences.
    deflate = zlib_ng.compressobj(1, zlib_ng.DEFLATED, 15, 8, zlib_ng.Z_RLE)
    data = [deflate.compress(rows) for rows in _filtered(picture.reshape(height, -1), kind)]
    colour = _GREY if picture.ndim == 2 else _RGB
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", *data, deflate.flush()), _chunk(b"IEND"))
    return b"".join((_SIGNATURE, *chain.from_iterable(chunks)))


def _filtered(samples: NDArray[np.uint8], kind: Filter) -> Iterator[NDArray[np.uint8]]:
    """Yield some rows at a time, in memory that is used again, each with the filter before it."""
    height, width = samples.shape
    count = max(1, _BAND_BYTES // (1 + width))
    rows = np.empty((min(height, count), 1 + width), np.uint8)
    rows[:, 0] = kind
    for top in range(0, height, count):
        band = samples[top : top + count]
        rows = rows[: len(band)]
        if kind is Filter.NONE:
            rows[:, 1:] = band
        elif top == 0:  # nothing is above the first row
            rows[0, 1:] = band[0]
            np.subtract(band[1:], band[:-1], out=rows[1:, 1:])  # modulo 256, as it should be
        else:
            np.subtract(band, samples[top - 1 : top - 1 + len(band)], out=rows[:, 1:])
        yield rows


def _chunk(kind: bytes, *data: bytes) -> Iterator[bytes]:
    """Yield the pieces of a chunk, which are copied once, when all are joined."""
    yield struct.pack(">I", sum(map(len, data)))
    checksum = 0
    for piece in (kind, *data):
        checksum = zlib_ng.crc32(piece, checksum)
        yield piece
    yield struct.pack(">I", checksum)
