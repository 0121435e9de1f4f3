"""Every kind of image becomes the RGB that a browser shows."""

from __future__ import annotations

import io
import struct
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from app.imaging import ImageError, UndecodableImage, decode, phantom
from tests.imaging.files import bmp, encode, png, tiff

PICTURE = phantom(48, 68)[0]  # 68: no multiple of eight, and rows of a BMP need no padding
GREY = PICTURE[:, :, 0]
RANDOM = np.random.default_rng(0)
# Alpha from 0 to 255, over colours that must not show where it is 0.
SEE_THROUGH = np.dstack([PICTURE, np.linspace(0, 255, GREY.size).reshape(GREY.shape)])
SEE_THROUGH = SEE_THROUGH.astype(np.uint8)


def _apart(pixels: NDArray[np.uint8], expected: NDArray[Any]) -> int:
    """The largest difference between two pictures, in levels."""
    assert pixels.shape == expected.shape
    return int(np.abs(pixels.astype(int) - expected).max())


def _pillow(data: bytes) -> NDArray[np.uint8]:
    """What Pillow shows, on black."""
    image = Pillow.open(io.BytesIO(data))
    ImageOps.exif_transpose(image, in_place=True)
    layer = image.convert("RGBA")
    black = Pillow.new("RGBA", layer.size, (0, 0, 0, 255))
    return np.array(Pillow.alpha_composite(black, layer).convert("RGB"))


def _on_black(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(rgba[:, :, :3] * (rgba[:, :, 3:] / 255))


def _rgb(grey: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(PICTURE, "JPEG"), id="jpeg"),
        pytest.param(encode(PICTURE, "JPEG", progressive=True), id="jpeg-progressive"),
        pytest.param(encode(PICTURE, "JPEG", subsampling=0), id="jpeg-444"),
        pytest.param(encode(PICTURE, "JPEG", restart_marker_rows=1), id="jpeg-restart"),
        pytest.param(encode(PICTURE, "JPEG", keep_rgb=True), id="jpeg-rgb"),
        pytest.param(encode(GREY, "JPEG"), id="jpeg-grey"),
        pytest.param(encode(PICTURE, "WEBP"), id="webp"),
        pytest.param(encode(PICTURE, "TIFF", compression="jpeg"), id="tiff-jpeg"),
        pytest.param(
            encode(Pillow.fromarray(PICTURE).convert("YCbCr"), "TIFF", compression="jpeg"),
            id="tiff-jpeg-ycbcr",
        ),
        pytest.param(encode(SEE_THROUGH, "WEBP"), id="webp-alpha"),
        pytest.param(encode(Pillow.fromarray(PICTURE).quantize(9), "BMP"), id="bmp-palette"),
        pytest.param(encode(Pillow.fromarray(PICTURE).quantize(9), "TIFF"), id="tiff-palette"),
        pytest.param(encode(Pillow.fromarray(GREY).convert("1"), "BMP"), id="bmp-1"),
        pytest.param(
            encode(Pillow.fromarray(GREY).convert("1"), "TIFF", compression="group4"), id="tiff-1"
        ),
    ],
)
def test_lossy_and_odd_images_are_what_pillow_shows(data: bytes) -> None:
    assert _apart(decode(data).pixels, _pillow(data)) <= 2


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(PICTURE, "PNG"), id="png"),
        pytest.param(encode(PICTURE, "WEBP", lossless=True), id="webp"),
        pytest.param(encode(PICTURE, "BMP"), id="bmp"),
        pytest.param(encode(PICTURE, "TIFF"), id="tiff"),
        pytest.param(encode(PICTURE, "TIFF", compression="tiff_lzw"), id="tiff-lzw"),
        pytest.param(encode(PICTURE, "TIFF", compression="tiff_adobe_deflate"), id="tiff-deflate"),
        pytest.param(encode(PICTURE, "TIFF", compression="packbits"), id="tiff-packbits"),
        pytest.param(encode(PICTURE, "TIFF", big_tiff=True), id="bigtiff"),
    ],
)
def test_lossless_colour_is_exact(data: bytes) -> None:
    assert np.array_equal(decode(data).pixels, PICTURE)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_lossless_grey_is_exact(form: str) -> None:
    assert np.array_equal(decode(encode(GREY, form)).pixels, _rgb(GREY))


@pytest.mark.parametrize("quality", [50, 95])
def test_cmyk_jpeg(quality: int) -> None:
    data = encode(Pillow.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=quality)
    pixels = decode(data).pixels
    assert _apart(pixels, _pillow(data)) <= 5
    other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert _apart(pixels, np.asarray(other)) <= 5


def test_cmyk_tiff() -> None:
    cmyk = Pillow.fromarray(PICTURE).convert("CMYK")
    assert _apart(decode(encode(cmyk, "TIFF")).pixels, PICTURE) <= 2


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_png_of_every_depth(depth: int) -> None:
    samples = RANDOM.integers(0, 2**depth, (13, 19))
    expected = np.round(samples * 255 / (2**depth - 1))
    assert _apart(decode(png(samples, depth, 0)).pixels, _rgb(expected)) <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("surplus", [0, 0xFFFF])
def test_grey_png_with_a_transparent_value(depth: int, surplus: int) -> None:
    samples = RANDOM.integers(0, 2**depth, (13, 19))
    hidden = int(samples.max())
    assert hidden > 0
    expected = np.where(samples == hidden, 0, np.round(samples * 255 / (2**depth - 1)))
    stored = hidden | surplus >> depth << depth  # decoders look at as many bits as there are
    data = png(samples, depth, 0, (b"tRNS", struct.pack(">H", stored)))
    assert _apart(decode(data).pixels, _rgb(expected)) <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("opaque", [True, False])
def test_palette_png_of_every_depth(depth: int, opaque: bool) -> None:
    samples = RANDOM.integers(0, 2**depth, (13, 19))
    palette = RANDOM.integers(0, 256, (2**depth, 3))
    alpha = np.full(2**depth, 255)
    chunks = [(b"PLTE", palette.astype(np.uint8).tobytes())]
    if not opaque:
        alpha[:2] = 0, 100
        chunks.append((b"tRNS", bytes([0, 100])))
    expected = (palette * alpha[:, np.newaxis] / 255)[samples]
    assert _apart(decode(png(samples, depth, 3, *chunks)).pixels, expected) <= 1


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_colour_and_alpha_png(depth: int, colour_type: int) -> None:
    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    samples = RANDOM.integers(0, 2**depth, (13, 19, channels))
    scaled = samples / (2**depth - 1)
    colour = scaled[:, :, :3] if channels != 2 else _rgb(scaled[:, :, 0])
    alpha = scaled[:, :, -1:] if channels != 3 else 1
    assert _apart(decode(png(samples, depth, colour_type)).pixels, colour * alpha * 255) <= 2


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_png_with_a_transparent_colour(depth: int) -> None:
    samples = RANDOM.integers(0, 2**depth, (13, 19, 3))
    samples[4, 5] = samples[6, 7]
    expected = samples / (2**depth - 1) * 255
    expected[4, 5] = expected[6, 7] = 0
    data = png(samples, depth, 2, (b"tRNS", samples[6, 7].astype(">u2").tobytes()))
    assert _apart(decode(data).pixels, expected) <= 1


def test_broken_transparency_of_a_palette_is_ignored() -> None:
    samples, palette = np.arange(4).reshape(2, 2), np.arange(12, dtype=np.uint8)
    colours = (b"PLTE", palette.tobytes())
    for chunks in (
        [colours, (b"tRNS", b"")],
        [colours, (b"tRNS", bytes(9))],
        [(b"tRNS", b"\0"), colours],
    ):
        pixels = decode(png(samples, 8, 3, *chunks)).pixels
        assert np.array_equal(pixels, palette.reshape(2, 2, 3))


def test_interlaced_png() -> None:
    # Adam7: seven passes, each a smaller picture.
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    lines = [row for y, x, dy, dx in passes for row in PICTURE[y::dy, x::dx]]
    whole = png(PICTURE, 8, 2)
    header = bytearray(whole[12:29])
    header[-1] = 1
    pixels = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    data = whole[:8] + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (bytes(header), b"IDAT" + pixels, b"IEND")
    )
    assert np.array_equal(decode(data).pixels, PICTURE)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_transparent_pixels_are_composited_on_black(form: str) -> None:
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    pixels = decode(encode(SEE_THROUGH, form, **options)).pixels
    assert _apart(pixels, _on_black(SEE_THROUGH)) <= 1
    assert not pixels[0, 0].any()
    assert SEE_THROUGH[0, 0, 3] == 0


def test_transparent_bmp_is_composited_on_black() -> None:
    stored = SEE_THROUGH[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(stored, 48, 68, 32, compression=3, masks=masks)
    assert _apart(decode(data).pixels, _on_black(SEE_THROUGH)) <= 1


def test_bmp_without_alpha_mask_is_opaque() -> None:
    stored = SEE_THROUGH[::-1, :, [2, 1, 0, 3]].tobytes()
    assert np.array_equal(decode(bmp(stored, 48, 68, 32)).pixels, PICTURE)


@pytest.mark.parametrize(
    ("compression", "masks", "bits"),
    [(0, (), (5, 5, 5)), (3, (0xF800, 0x7E0, 0x1F), (5, 6, 5))],
)
def test_bmp_of_16_bits_a_pixel(
    compression: int, masks: tuple[int, ...], bits: tuple[int, ...]
) -> None:
    red, green, blue = (RANDOM.integers(0, 2**depth, (12, 20)) for depth in bits)
    words = (red << (bits[1] + bits[2]) | green << bits[2] | blue).astype("<u2")
    data = bmp(words[::-1].tobytes(), 12, 20, 16, compression=compression, masks=masks)
    expected = np.dstack(
        [
            channel * 255 / (2**depth - 1)
            for channel, depth in zip((red, green, blue), bits, strict=True)
        ]
    )
    assert _apart(decode(data).pixels, expected) <= 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("lzw", [True, False])
def test_tiff_of_16_bits_is_scaled_not_clipped(channels: int, lzw: bool) -> None:
    samples = RANDOM.integers(0, 2**16, (13, 19, channels)).astype(np.uint16)
    compression = (cv2.IMWRITE_TIFF_COMPRESSION, 5 if lzw else 1)
    _, data = cv2.imencode(".tif", samples, compression)
    scaled = samples / 257
    if channels == 1:
        scaled = _rgb(scaled[:, :, 0])
    else:
        scaled[:, :, [0, 2]] = scaled[:, :, [2, 0]]  # OpenCV writes BGR as RGB
    if channels == 4:
        scaled = scaled[:, :, :3] * (scaled[:, :, 3:] / 255)
    assert _apart(decode(bytes(data)).pixels, scaled) <= 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("stated", [True, False])
def test_tiff_where_zero_is_white(dtype: type[np.unsignedinteger[Any]], stated: bool) -> None:
    bits = np.iinfo(dtype).bits
    samples = GREY.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    tags: dict[int, int | tuple[int, ...]] = {256: 68, 257: 48, 258: bits, 259: 1, 273: 8}
    tags |= {262: 0} if stated else {}
    assert np.array_equal(decode(tiff(tags, samples.tobytes())).pixels, 255 - _rgb(GREY))


def test_tiff_of_12_bits_is_refused() -> None:
    tags: dict[int, int | tuple[int, ...]] = {256: 68, 257: 48, 258: 12, 259: 1, 262: 1, 273: 8}
    with pytest.raises(UndecodableImage) as caught:
        decode(tiff(tags, bytes(68 * 48 * 3 // 2)))
    assert str(caught.value) == "The TIFF has 12 bits a sample; send 8 or 16."


def test_tiff_of_16_bits_with_its_colours_apart_is_refused_if_pillow_scrambles_it() -> None:
    planes = [np.ascontiguousarray(PICTURE[..., channel]) for channel in range(3)]
    height, width = planes[0].shape

    def planar(bits: int, *, deflated: bool = False) -> bytes:
        wide = [plane.astype(np.uint16) * 257 if bits == 16 else plane for plane in planes]
        strips = [plane.tobytes() for plane in wide]
        strips = [zlib.compress(strip) for strip in strips] if deflated else strips
        lengths = tuple(len(strip) for strip in strips)
        starts = tuple(8 + sum(lengths[:number]) for number in range(3))
        tags: dict[int, int | tuple[int, ...]] = {256: width, 257: height, 258: (bits,) * 3}
        tags |= {259: 8 if deflated else 1, 262: 2, 273: starts, 277: 3, 279: lengths, 284: 2}
        return tiff(tags, b"".join(strips))

    assert np.array_equal(decode(planar(8)).pixels, PICTURE)
    assert np.array_equal(decode(planar(16, deflated=True)).pixels, PICTURE)
    with pytest.raises(UndecodableImage) as caught:
        decode(planar(16))
    assert str(caught.value) == (
        "The TIFF keeps the colours of 16-bit pixels apart; send them interleaved."
    )


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_tiff_of_32_bits_is_refused(dtype: type[np.generic]) -> None:
    data = encode(GREY.astype(dtype), "TIFF")
    with pytest.raises(UndecodableImage) as caught:
        decode(data)
    assert str(caught.value) == "The TIFF has 32 bits a sample; send 8 or 16."


ORIENTED = [("JPEG", PICTURE), ("PNG", PICTURE), ("TIFF", PICTURE), ("WEBP", PICTURE)]
ORIENTED += [("PNG", SEE_THROUGH), ("TIFF", SEE_THROUGH), ("WEBP", SEE_THROUGH)]


@pytest.mark.parametrize(("form", "picture"), ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(form: str, picture: NDArray[np.uint8], orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = encode(picture, form, exif=exif)
    image = decode(data)
    assert _apart(image.pixels, _pillow(data)) <= 2
    assert image.header.orientation == orientation
    swapped = orientation >= 5
    assert (image.header.height, image.header.width) == ((68, 48) if swapped else (48, 68))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_icc_profiles_are_ignored(form: str) -> None:
    # Adobe RGB as a real profile would shift every red; ours is not even a profile.
    plain, tagged = encode(PICTURE, form), encode(PICTURE, form, icc_profile=b"profile" * 20)
    assert b"ICC_PROFILE" in tagged or b"iCCP" in tagged
    assert np.array_equal(decode(plain).pixels, decode(tagged).pixels)


def test_gamma_is_ignored() -> None:
    data = png(PICTURE, 8, 2, (b"gAMA", struct.pack(">I", 100_000)))
    assert np.array_equal(decode(data).pixels, PICTURE)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (16, 16), (17, 31), (1, 300), (333, 250), (1080, 1920)]
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_any_size(form: str, height: int, width: int) -> None:
    data = encode(phantom(height, width)[0], form)
    pixels = decode(data).pixels
    assert pixels.shape == (height, width, 3)
    assert _apart(pixels, _pillow(data)) <= 2


@pytest.mark.parametrize(("form", "picture"), [*ORIENTED, ("BMP", PICTURE), ("TIFF", GREY)])
@pytest.mark.parametrize("orientation", [1, 7])
def test_pixels_are_contiguous_and_writable(
    form: str, picture: NDArray[np.uint8], orientation: int
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    pixels = decode(encode(picture, form, exif=exif)).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


FILES = {
    "jpeg": encode(PICTURE, "JPEG"),
    "jpeg-progressive": encode(PICTURE, "JPEG", progressive=True),
    "jpeg-cmyk": encode(Pillow.fromarray(PICTURE).convert("CMYK"), "JPEG"),
    "png": encode(PICTURE, "PNG"),
    "png-alpha": encode(SEE_THROUGH, "PNG"),
    "png-hidden": encode(GREY, "PNG", transparency=9),
    "webp": encode(PICTURE, "WEBP"),
    "webp-lossless": encode(SEE_THROUGH, "WEBP", lossless=True),
    "bmp": encode(PICTURE, "BMP"),
    "bmp-palette": encode(Pillow.fromarray(PICTURE).quantize(9), "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff-lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": encode(PICTURE, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_refused(name: str) -> None:
    # OpenCV before version 5, and libjpeg by default, fill what is missing with grey.
    whole = FILES[name]
    step = max(1, len(whole) // 97)
    for length in {*range(0, len(whole), step), *range(len(whole) - 12, len(whole))}:
        with pytest.raises(ImageError):
            decode(whole[:length])


def test_png_with_too_few_rows_is_refused() -> None:
    with pytest.raises(UndecodableImage):
        decode(png(PICTURE, 8, 2, size=(49, 68)))


def test_what_follows_an_image_is_ignored() -> None:
    for name in ("jpeg", "png", "webp", "bmp", "tiff"):
        polyglot = FILES[name] + b"PK\3\4<script>" + bytes(50)
        assert np.array_equal(decode(polyglot).pixels, decode(FILES[name]).pixels)


@pytest.mark.parametrize("name", FILES)
def test_no_error_quotes_the_input(name: str) -> None:
    marker = b"Mustermann"
    data = FILES[name][:60] + marker + FILES[name][60 : len(FILES[name]) // 2]
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert marker.decode() not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
@settings(max_examples=300, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
def test_damage_is_refused_or_decoded_never_worse(name: str, data: st.DataObject) -> None:
    broken = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers decide most, so hit them more often than the pixels.
        end = data.draw(st.sampled_from([40, 200, len(broken)]))
        position = data.draw(st.integers(0, min(end, len(broken)) - 1))
        broken[position] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(broken), max_pixels=10**6)
    except ImageError:
        return
    assert image.pixels.shape == (image.header.height, image.header.width, 3)
    assert image.pixels.dtype == np.uint8


def test_threads_do_not_disturb_each_other() -> None:
    names = sorted(FILES) * 8
    alone = {name: decode(FILES[name]).pixels for name in FILES}
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda name: decode(FILES[name]).pixels, names)
        assert all(np.array_equal(alone[n], t) for n, t in zip(names, together, strict=True))


@pytest.mark.parametrize(
    "encoded", [encode(PICTURE, "PNG"), encode(PICTURE, "TIFF")], ids=["OpenCV", "Pillow"]
)
def test_no_memory_is_no_fault_of_the_image(
    encoded: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = cv2.error("Insufficient memory")
    full.code = cv2.Error.StsNoMem

    def imdecode(*_: object) -> None:
        raise full

    def load(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cv2, "imdecode", imdecode)
    monkeypatch.setattr(TiffImageFile, "load", load)
    with pytest.raises(MemoryError):
        decode(encoded)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(
    ("height", "width", "enough", "shrink"),
    [
        (96, 128, (48, 64), 2),
        (96, 128, (49, 64), 1),
        (96, 128, (24, 64), 2),
        (96, 128, (24, 32), 4),
        (96, 128, (1, 1), 8),
        (98, 130, (16, 16), 2),
        (97, 128, (16, 16), 1),
    ],
)
def test_a_jpeg_is_made_as_small_as_is_enough(
    height: int, width: int, enough: tuple[int, int], shrink: int, orientation: int
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = encode(phantom(height, width)[0], "JPEG", quality=95, subsampling=0, exif=exif)
    image = decode(data, enough=enough[::-1] if orientation == 6 else enough)
    whole = decode(data)
    assert (image.shrink, whole.shrink) == (shrink, 1)
    assert image.header == whole.header
    assert whole.pixels.shape[:2] == (whole.header.height, whole.header.width)
    assert _apart_on_average(image.pixels, _averaged(whole.pixels, shrink)) < 2


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_grey_or_printed_jpeg_is_made_small_as_well(mode: str) -> None:
    data = encode(Pillow.fromarray(phantom(96, 128)[0]).convert(mode), "JPEG", quality=95)
    small, whole = decode(data, enough=(48, 64)), decode(data)
    assert small.shrink == 2
    assert _apart_on_average(small.pixels, _averaged(whole.pixels, 2)) < 3


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_no_other_format_is_made_small(form: str) -> None:
    image = decode(encode(phantom(96, 128)[0], form), enough=(8, 8))
    assert (image.shrink, image.pixels.shape) == (1, (96, 128, 3))


def test_a_lossless_jpeg_comes_whole() -> None:
    height, width = 96, 128
    parts = [
        b"\xff\xd8",
        b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0",  # RGB
        b"\xff\xc3\0\x11\x08" + struct.pack(">HH", height, width),
        b"\x03\x01\x11\0\x02\x11\0\x03\x11\0",
        b"\xff\xc4\0\x14\0\x01" + bytes(15) + b"\0",  # a bit of 0 says: as the one before
        b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\x01\0\0",
        bytes(3 * height * width // 8),
        b"\xff\xd9",
    ]
    image = decode(b"".join(parts), enough=(8, 8))
    assert image.shrink == 1
    np.testing.assert_array_equal(image.pixels, np.full((height, width, 3), 128))


def test_a_truncated_jpeg_is_refused_at_any_size() -> None:
    data = encode(phantom(96, 128)[0], "JPEG")
    for length in (len(data) // 2, len(data) - 20):
        for enough in (None, (48, 64)):
            with pytest.raises(UndecodableImage):
                decode(data[:length], enough=enough)


def _averaged(pixels: NDArray[np.uint8], shrink: int) -> NDArray[np.float64]:
    rows, columns = pixels.shape[0] // shrink, pixels.shape[1] // shrink
    blocks = pixels.reshape(rows, shrink, columns, shrink, 3)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


def _apart_on_average(pixels: NDArray[np.uint8], expected: NDArray[np.float64]) -> float:
    assert pixels.shape == expected.shape
    return float(np.abs(pixels - expected).mean())
