"""Refuses small files that would make a decoder work or allocate out of all proportion."""

from __future__ import annotations

import io
import re
import struct
from typing import Final

import numpy as np
from PIL.TiffImagePlugin import (
    STRIPOFFSETS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    ImageFileDirectory_v2,
)

from app.imaging.errors import UndecodableImage

_SCAN: Final = b"\xff\xda"
_END: Final = b"\xff\xd9"
# Those that a length follows, and the end. Decoders step over others (T.81, table B.1).
_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")

_MAX_READS: Final = 100_000
_MAX_SCANS: Final = 50
_MAX_STRIPS: Final = 65_536
_MAX_TILE: Final = 4096 * 4096


class BoundedReader(io.BytesIO):
    """Bytes that can be read in a limited number of pieces.

    Pillow walks segments, chunks and tags in Python. A file made of millions of empty ones would
    hold the interpreter for many seconds; honest files need a few thousand reads at most.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads as `io.BytesIO` does.

        Raises:
            UndecodableImage: After 100,000 calls.
        """
        self._reads += 1
        if self._reads > _MAX_READS:
            raise UndecodableImage("The image consists of too many pieces.")
        return super().read(size)


def check_proportion(data: bytes, name: str) -> None:
    """Looks for what is known to blow decoders up; says nothing about the rest.

    Args:
        data: A whole image file.
        name: Its format, as `formats.sniff` names it.

    Raises:
        UndecodableImage: What a decoder should not be given.
    """
    if name == "PNG":
        _check_png(data)
    elif name == "JPEG":
        _check_jpeg(data)
    elif name == "TIFF":
        _check_tiff(data)


def _check_png(data: bytes) -> None:
    # OpenCV allocates the length that a chunk states: 2 GB for a file of a few bytes.
    position = 8
    for _ in range(_MAX_READS):
        if position + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        if (kind == b"IHDR") != (position == 8):
            raise UndecodableImage("The header of the PNG is not at its beginning.")
        position += 12 + length
        if position > len(data):
            break
        if kind == b"IEND":
            return
    else:
        raise UndecodableImage("The image consists of too many pieces.")
    raise UndecodableImage("The PNG is truncated.")


def _check_jpeg(data: bytes) -> None:
    # Each scan of a progressive JPEG goes over all pixels, and an empty one takes a dozen bytes.
    # Encoders write ten. Thumbnails and what follows the image may hold the same two bytes.
    # Counted by NumPy, which lets go of the interpreter's lock; `bytes.count` takes seven times as
    # long, and nobody else may do anything meanwhile.
    octets = np.frombuffer(data, np.uint8)
    found = np.count_nonzero((octets[:-1] == _SCAN[0]) & (octets[1:] == _SCAN[1]))
    if found > _MAX_SCANS and _count_scans(data) > _MAX_SCANS:
        raise UndecodableImage("The JPEG consists of too many scans.")


def _count_scans(data: bytes) -> int:
    """Count the scans from the beginning to the end of the (first) image, or to too many."""
    position, scans = 2, 0
    for _ in range(_MAX_READS):
        marker = _MARKER.search(data, position)
        if marker is None or marker[0] == _END:
            return scans
        scans += marker[0] == _SCAN
        if scans > _MAX_SCANS:
            return scans
        # A segment states its length; what follows that of a scan is pixels up to the next marker.
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    raise UndecodableImage("The image consists of too many pieces.")


def _check_tiff(data: bytes) -> None:
    # Pillow makes an object of every strip as it opens a file, and libtiff allocates a whole
    # tile, which may be far larger than the image.
    reader = BoundedReader(data)
    header = reader.read(16 if data[2:4] in {b"+\0", b"\0+"} else 8)
    directory = ImageFileDirectory_v2(header)
    reader.seek(directory.next)
    directory.load(reader)
    if max(len(directory.get(tag, ())) for tag in (STRIPOFFSETS, TILEOFFSETS)) > _MAX_STRIPS:
        raise UndecodableImage("The TIFF consists of too many strips or tiles.")
    width, length = directory.get(TILEWIDTH, 1), directory.get(TILELENGTH, 1)
    # A tag may be of any type: text times a number is that much text.
    if not (isinstance(width, int) and isinstance(length, int)):
        raise UndecodableImage("The tiles of the TIFF have no size.")
    if width * length > _MAX_TILE:
        raise UndecodableImage("The tiles of the TIFF are too large.")
