"""What a header promises: size, orientation, frames, limits."""

from __future__ import annotations

import struct
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from app.imaging import Header, TooManyPixels, UndecodableImage, decode, phantom, read_header
from tests.imaging.files import bmp, encode, png

FORMS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
PICTURE = phantom(48, 65)[0]

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("form", FORMS)
def test_header_names_format_and_size(form: str) -> None:
    header = read_header(encode(PICTURE, form))
    assert header == Header(form, width=65, height=48, orientation=1)


@pytest.mark.parametrize("form", FORMS)
def test_limit_is_on_pixels_and_inclusive(form: str) -> None:
    data = encode(PICTURE, form)
    assert decode(data, max_pixels=48 * 65).pixels.shape == (48, 65, 3)
    for read in (decode, read_header):
        with pytest.raises(TooManyPixels) as caught:
            read(data, max_pixels=48 * 65 - 1)
        assert (caught.value.width, caught.value.height, caught.value.limit) == (65, 48, 3119)
        assert str(caught.value) == (
            "The image has 65 x 48 pixels; at most 3119 in all are accepted."
        )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encode(PICTURE, "WEBP"), b"VP8 "),
        (encode(PICTURE, "WEBP", lossless=True), b"VP8L"),
        (encode(PICTURE, "WEBP", xmp=b"x"), b"VP8X"),
        (encode(PICTURE, "PNG"), b"IHDR"),
    ],
)
def test_limit_holds_before_a_decoder_sees_the_file(data: bytes, kind: bytes) -> None:
    assert data[12:16] == kind
    # Nothing follows the size, so that whoever opens the file finds it damaged.
    with pytest.raises(TooManyPixels) as caught:
        read_header(data[:30], max_pixels=100)
    assert (caught.value.width, caught.value.height) == (65, 48)
    for rest in (data[:30], data[:20]):
        with pytest.raises(UndecodableImage):
            read_header(rest)
    with pytest.raises(UndecodableImage):
        read_header(data[:12] + b"none" + data[16:], max_pixels=10**9)


@pytest.mark.parametrize(("height", "width"), [(1, 1_000_001), (1_000_001, 1)])
@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_a_side_that_decoders_do_not_take_is_said_to_be_too_long(
    form: str, height: int, width: int
) -> None:
    data = encode(np.zeros((height, width), np.uint8), form)
    with pytest.raises(TooManyPixels) as caught:
        decode(data, max_pixels=25_000_000)
    assert str(caught.value) == (
        f"The image has {width} x {height} pixels; at most 1000000 a side are accepted."
    )
    longest = np.zeros((min(height, 1_000_000), min(width, 1_000_000)), np.uint8)
    assert decode(encode(longest, form)).pixels.shape == (*longest.shape, 3)


def test_no_limit_of_pillow_interferes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a DecompressionBombWarning would be one
        header = read_header(bmp(b"", 20_000, 30_000, 24))
    assert (header.width, header.height) == (30_000, 20_000)
    # One colour takes no bits, so the same few bytes make an image of any size.
    plain = bytearray(encode(np.full((8, 8, 3), 7, np.uint8), "WEBP", lossless=True))
    plain[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
    header = read_header(bytes(plain))
    assert (header.width, header.height) == (16_383, 16_383)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_several_frames_are_refused(form: str) -> None:
    other = [Pillow.fromarray(255 - PICTURE)]
    with pytest.raises(UndecodableImage) as caught:
        decode(encode(PICTURE, form, save_all=True, append_images=other))
    assert str(caught.value) == f"The {form} holds several frames; send a single image."


def test_first_picture_of_a_multi_picture_jpeg_is_taken() -> None:
    # Phones append a gain map or a second view; a browser shows the first.
    data = encode(PICTURE, "MPO", save_all=True, append_images=[Pillow.new("RGB", (9, 9))])
    image = decode(data)
    assert image.header == Header("JPEG", 65, 48, 1)
    assert np.array_equal(image.pixels, decode(encode(PICTURE, "JPEG")).pixels)


def test_animation_of_one_frame_is_an_image() -> None:
    samples = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    frame = struct.pack(">IIIIIHHBB", 0, 5, 4, 0, 0, 1, 10, 0, 0)
    data = png(samples, 8, 2, (b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", frame))
    assert np.array_equal(decode(data).pixels, samples)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(9)]
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of some of them
def test_damaged_exif_means_upright(exif: bytes) -> None:
    assert read_header(encode(PICTURE, "PNG", exif=exif)).orientation == 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_out_of_range_means_upright(form: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = decode(encode(PICTURE, form, exif=exif))
    assert image.header.orientation == 1
    assert image.pixels.shape == PICTURE.shape


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_in_xmp_is_ignored_as_browsers_do(form: str) -> None:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    options: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": text},
        "TIFF": {"tiffinfo": {700: XMP}},
    }
    data = encode(PICTURE, form, **options.get(form, {"xmp": XMP}))
    assert XMP in data
    image = decode(data)
    assert image.header.orientation == 1
    assert image.pixels.shape == PICTURE.shape
