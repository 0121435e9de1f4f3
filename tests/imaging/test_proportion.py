"""Small files that would make a decoder work or allocate without bound."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.imaging import UndecodableImage, decode, phantom, read_header
from tests.imaging.files import bmp, chunk, encode, png, tiff

PICTURE = phantom(48, 65)[0]
BLACK = np.zeros((8, 8, 3), np.uint8)
TOO_MANY_PIECES = "The image consists of too many pieces."

MEASURE = """
import pathlib, resource, sys, time
from app.imaging import ImageError, decode
files = [pathlib.Path(name).read_bytes() for name in sys.argv[1:]]
for data in files:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    try:
        error = None
        decode(data, max_pixels=25_000_000)
    except ImageError as raised:
        error = raised
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(type(error).__name__, seconds, grown)
"""


def _jpeg(height: int, width: int) -> bytes:
    data = bytearray(encode(BLACK, "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp(height: int, width: int) -> bytes:
    data = bytearray(encode(BLACK, "WEBP", xmp=b"x"))
    data[24:30] = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return bytes(data)


def _tiff(**tags: int | tuple[int, ...]) -> bytes:
    """A grey TIFF; its tags by name."""
    numbers = {"width": 256, "height": 257, "compression": 259, "offsets": 273, "rows": 278}
    numbers |= {"tile_width": 322, "tile_height": 323, "tile_offsets": 324, "tile_sizes": 325}
    basic: dict[int, int | tuple[int, ...]] = {258: 8, 259: 1, 262: 1, 277: 1}
    return tiff(basic | {numbers[name]: value for name, value in tags.items()}, bytes(64))


def _tiff_whose_tiles_have(tag: int, kind: int, other: int) -> bytes:
    """A TIFF that gives one side of its tiles as something that is no number."""
    sides = {322: 8, 323: 8} | {322 + 323 - tag: other}
    data = bytearray(_tiff(width=8, height=8, tile_width=sides[322], tile_height=sides[323]))
    entry = data.rindex(struct.pack("<HHI", tag, 4, 1))
    data[entry + 2 : entry + 4] = struct.pack("<H", kind)
    return bytes(data)


def _png_stating_a_chunk_of_2_gib() -> bytes:
    data = bytearray(png(BLACK, 8, 2))
    data[33:37] = struct.pack(">I", 0x7FFF_FFF0)
    return bytes(data)


PROMISES = {
    "png": (png(BLACK, 8, 2, size=(50_000, 50_000)), "TooManyPixels"),
    "jpeg": (_jpeg(50_000, 50_000), "TooManyPixels"),
    "bmp": (bmp(b"", 50_000, 50_000, 24), "TooManyPixels"),
    "webp": (_webp(50_000, 50_000), "TooManyPixels"),
    "tiff": (_tiff(width=50_000, height=50_000, offsets=8, rows=50_000), "TooManyPixels"),
    # Within the limit on pixels, but the decoders' own appetite is not.
    "chunk": (_png_stating_a_chunk_of_2_gib(), "UndecodableImage"),
    "tile": (
        _tiff(
            width=8,
            height=8,
            compression=5,
            tile_width=40_000,
            tile_height=40_000,
            tile_offsets=8,
            tile_sizes=64,
        ),
        "UndecodableImage",
    ),
    # Bytes and text, so many times as the other side is long.
    "bytes": (_tiff_whose_tiles_have(322, 1, 700_000_000), "UndecodableImage"),
    "text": (_tiff_whose_tiles_have(323, 2, 300_000_000), "UndecodableImage"),
}


def test_great_promises_are_refused_within_50_ms_and_50_mb(tmp_path: Path) -> None:
    # In a process of its own, since memory that native code allocates shows only there.
    for name, (data, _) in PROMISES.items():
        (tmp_path / name).write_bytes(data)
        assert len(data) < 1000
    files = [str(tmp_path / name) for name in PROMISES]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *files], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    for (name, (_, expected)), line in zip(PROMISES.items(), lines, strict=True):
        error, seconds, kilobytes = line.split()
        assert error == expected, name
        assert float(seconds) < 0.05, name
        assert int(kilobytes) < 50_000, name


def test_png_of_countless_chunks() -> None:
    whole = png(BLACK, 8, 2)
    with pytest.raises(UndecodableImage) as caught:
        read_header(whole[:33] + 100_000 * chunk(b"prVt", b"") + whole[33:])
    assert str(caught.value) == TOO_MANY_PIECES


def test_jpeg_of_countless_segments() -> None:
    whole = encode(BLACK, "JPEG")
    with pytest.raises(UndecodableImage) as caught:
        read_header(whole[:2] + 100_000 * b"\xff\xfe\0\2" + whole[2:])
    assert str(caught.value) == TOO_MANY_PIECES


def test_jpeg_of_countless_scans() -> None:
    whole = encode(PICTURE, "JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    assert decode(whole).pixels.shape == PICTURE.shape
    with pytest.raises(UndecodableImage) as caught:
        decode(whole[:-2] + 50 * scan + whole[-2:])
    assert str(caught.value) == "The JPEG consists of too many scans."


def test_scans_cannot_hide_behind_a_marker_without_a_length() -> None:
    whole = encode(PICTURE, "JPEG", progressive=True)
    begin = whole.index(b"\xff\xda")
    first = whole[begin : begin + 2 + int.from_bytes(whole[begin + 2 : begin + 4])]
    restarts = b"\xff\xdd\0\4\0\1"
    empty = bytes([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 1, 0x10])
    # With restarts, a decoder steps over FF 02 and goes on with the next marker.
    hidden = b"\xff\x02\xff\xff" + 60 * empty

    with pytest.raises(UndecodableImage) as caught:
        decode(whole[:begin] + restarts + first + b"\0" + hidden + whole[-2:])

    assert str(caught.value) == "The JPEG consists of too many scans."


def test_scans_are_counted_where_the_image_is() -> None:
    whole = encode(PICTURE, "JPEG", progressive=True)
    marks = 60 * b"\xff\xda"
    thumbnail = b"\xff\xef" + struct.pack(">H", 2 + len(marks)) + marks
    expected = decode(whole).pixels

    for data in (whole + marks, whole + 9 * whole, whole[:2] + thumbnail + whole[2:]):
        assert np.array_equal(decode(data).pixels, expected)


def test_tiff_of_countless_strips() -> None:
    honest = _tiff(width=1, height=60, offsets=tuple(range(8, 68)), rows=1)
    assert np.array_equal(decode(honest).pixels, np.zeros((60, 1, 3)))
    with pytest.raises(UndecodableImage) as caught:
        read_header(_tiff(width=1, height=65_537, offsets=(8,) * 65_537, rows=1))
    assert str(caught.value) == "The TIFF consists of too many strips or tiles."


def test_second_header_cannot_belie_the_first() -> None:
    # Pillow would believe the last one, libpng the first.
    small = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    with pytest.raises(UndecodableImage) as caught:
        read_header(png(BLACK, 8, 2, (b"IHDR", small), size=(30_000, 30_000)))
    assert str(caught.value) == "The header of the PNG is not at its beginning."


def test_run_lengths_are_not_walked_in_python() -> None:
    # Pillow takes seconds for this, and holds the interpreter lock.
    rows = (b"\1\7" * 1500 + b"\0\0") * 1500
    palette = bytes(value for step in range(256) for value in (step, step // 2, 255 - step, 0))
    whole = bmp(rows + b"\0\1", 1500, 1500, 8, compression=1, palette=palette)
    assert (decode(whole).pixels == (255 - 7, 3, 7)).all()
    with pytest.raises(UndecodableImage):
        decode(whole[: len(whole) // 2])
