"""Formats are told by their bytes, and what is refused is named."""

import struct

import pytest

from app.imaging import ImageError, UndecodableImage, UnsupportedFormat, decode
from app.imaging.formats import sniff


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a" + bytes(20), "GIF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (struct.pack(">I", 24) + b"ftypheic" + bytes(20), "HEIC"),
        (struct.pack(">I", 24) + b"ftypmif1" + bytes(20), "HEIF"),
        (struct.pack(">I", 32) + b"ftypavif" + bytes(20), "AVIF"),
        (struct.pack(">I", 32) + b"ftypisom" + bytes(20), "MP4 video"),
        (bytes(128) + b"DICM" + bytes(20), "DICOM"),
        (b"II*\0" + bytes(124) + b"DICM" + bytes(20), "DICOM"),  # a preamble may be a TIFF header
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI video"),
        (b"PK\3\4" + bytes(20), "A ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(20), "A gzip archive"),
        (bytes(257) + b"ustar\x0000", "A tar archive"),
        (b"\n  <svg/>", "SVG"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ],
)
def test_known_formats_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        decode(data)
    assert caught.value.format == name
    assert str(caught.value) == f"{name} is not accepted; send PNG, JPEG, TIFF, BMP or WebP."


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The body is empty; send the bytes of an image."),
        (b"colon", "The body is text; send the bytes of an image."),
        ("\ufeffKolon, Bef\u00fcnd".encode(), "The body is text; send the bytes of an image."),
        (b"<!DOCTYPE html>\n<p>", "The body is text; send the bytes of an image."),
        (bytes(9), "The bytes are not an image; send PNG, JPEG, TIFF, BMP or WebP."),
        (b"\x89PN", "The bytes are not an image; send PNG, JPEG, TIFF, BMP or WebP."),
        (b"RIFF\0\0\0\0WAVE", "The bytes are not an image; send PNG, JPEG, TIFF, BMP or WebP."),
    ],
)
def test_what_is_no_image_gets_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UndecodableImage) as caught:
        decode(data)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("signature", "name"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"BM", "BMP"),
        (b"RIFF\0\0\0\0WEBP", "WEBP"),
    ],
)
def test_accepted_formats_are_told_by_their_first_bytes(signature: bytes, name: str) -> None:
    assert sniff(signature) == name
    with pytest.raises(ImageError):  # a signature alone is not an image
        decode(signature)
