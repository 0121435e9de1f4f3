"""Bytes to pixels and pixels to bytes; knows nothing of HTTP or of models."""

from app.imaging.decode import Image, decode
from app.imaging.errors import ImageError, TooManyPixels, UndecodableImage, UnsupportedFormat
from app.imaging.header import Header, read_header
from app.imaging.resize import resize, upsample

__all__ = [
    "Header",
    "Image",
    "ImageError",
    "TooManyPixels",
    "UndecodableImage",
    "UnsupportedFormat",
    "decode",
    "read_header",
    "resize",
    "upsample",
]
