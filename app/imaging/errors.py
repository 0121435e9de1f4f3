"""The ways in which bytes can fail to be an image that is accepted."""


class ImageError(Exception):
    """One clear sentence for the sender; it never contains bytes of the input."""


class UndecodableImage(ImageError):  # noqa: N818 - reads as what is wrong
    """No image can be had: empty, text, truncated, damaged, or several frames."""


class UnsupportedFormat(ImageError):  # noqa: N818 - reads as what is wrong
    """A known format that is not accepted.

    Attributes:
        format: Its common name, such as `"GIF"` or `"DICOM"`.
    """

    def __init__(self, format: str) -> None:  # noqa: A002 - the name of the attribute
        super().__init__(f"{format} is not accepted; send PNG, JPEG, TIFF, BMP or WebP.")
        self.format = format


class TooManyPixels(ImageError):  # noqa: N818 - reads as what is wrong
    """The header promises more pixels than a limit; nothing was decoded.

    Attributes:
        width: The width that the header states, in pixels.
        height: The height that the header states, in pixels.
        limit: The largest accepted `width * height`, or side.
    """

    def __init__(self, width: int, height: int, limit: int, per: str = "in all") -> None:
        super().__init__(
            f"The image has {width} x {height} pixels; at most {limit} {per} are accepted."
        )
        self.width = width
        self.height = height
        self.limit = limit
