"""Tells an image format by its first bytes; declared types and file names are never asked."""

from __future__ import annotations

import codecs
from typing import Final

from app.imaging.errors import UndecodableImage, UnsupportedFormat

MEDIA_TYPES: Final = {
    "BMP": "image/bmp",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}
"""The accepted formats, by Pillow's name, with the media type of each."""

_ACCEPTED: Final = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)

# What is likely to be sent by mistake. The name goes into the answer, so that the sender
# knows what to convert.
_REFUSED: Final = (
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"II\xbc", "JPEG XR"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "ICO"),
    (b"qoif", "QOI"),
    (b"v/1\1", "OpenEXR"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (b"\x8aMNG", "MNG"),
    (b"PK\3\4", "A ZIP archive"),
    (b"PK\5\6", "A ZIP archive"),
    (b"\x1f\x8b", "A gzip archive"),
    (b"BZh", "A bzip2 archive"),
    (b"\xfd7zXZ\0", "An xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "A 7z archive"),
    (b"Rar!\x1a\7", "A RAR archive"),
)

_BRANDS: Final = {  # ISO base media file format: the major brand follows "ftyp"
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"crx ": "Canon raw",
    b"qt  ": "QuickTime video",
}


def sniff(data: bytes) -> str:
    """Names the format of `data`.

    Args:
        data: A whole file.

    Returns:
        A key of `MEDIA_TYPES`.

    Raises:
        UnsupportedFormat: A known format that is not accepted.
        UndecodableImage: Empty, text, or nothing known.
    """
    if not data:
        raise UndecodableImage("The body is empty; send the bytes of an image.")
    if refused := _refused(data):
        raise UnsupportedFormat(refused)
    for signature, name in _ACCEPTED:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if _is_text(data):
        raise UndecodableImage("The body is text; send the bytes of an image.")
    raise UndecodableImage("The bytes are not an image; send PNG, JPEG, TIFF, BMP or WebP.")


def _refused(data: bytes) -> str | None:
    for signature, name in _REFUSED:
        if data.startswith(signature):
            return name
    if data[128:132] == b"DICM":  # PS3.10: a preamble of 128 bytes, of any content
        return "DICOM"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "MP4 video")
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "AVI video"
    if data[257:262] == b"ustar":
        return "A tar archive"
    if b"<svg" in data[:1024] and data.lstrip()[:1] == b"<" and _is_text(data):
        return "SVG"
    return None


def _is_text(data: bytes) -> bool:
    try:
        # Incremental, so that a character cut in two at the end is no error.
        head = codecs.getincrementaldecoder("utf-8")().decode(data[:256])
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\t\n\r\f" for character in head)
