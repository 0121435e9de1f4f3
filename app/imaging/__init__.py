"""Bytes to pixels and pixels to bytes; knows nothing of HTTP or of models."""

from app.imaging.decode import Image, decode
from app.imaging.errors import ImageError, TooManyPixels, UndecodableImage, UnsupportedFormat
from app.imaging.field import Field, field_of_view
from app.imaging.formats import MEDIA_TYPES
from app.imaging.header import Header, read_header
from app.imaging.phantom import phantom, phantom_jpeg
from app.imaging.render import render_overlay, render_png, render_probability
from app.imaging.resize import RESIZE_VERSION, resize, upsample
from app.imaging.rle import compress_rle, decode_rle, encode_rle
from app.imaging.segment import Region, Segmentation, segment

__all__ = [
    "MEDIA_TYPES",
    "RESIZE_VERSION",
    "Field",
    "Header",
    "Image",
    "ImageError",
    "Region",
    "Segmentation",
    "TooManyPixels",
    "UndecodableImage",
    "UnsupportedFormat",
    "compress_rle",
    "decode",
    "decode_rle",
    "encode_rle",
    "field_of_view",
    "phantom",
    "phantom_jpeg",
    "read_header",
    "render_overlay",
    "render_png",
    "render_probability",
    "resize",
    "segment",
    "upsample",
]
