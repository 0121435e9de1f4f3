"""The inference service: images in, polyp masks out."""

__version__ = "0.1.0"
