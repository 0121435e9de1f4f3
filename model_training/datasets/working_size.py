"""The working size: the pixel grid that the network sees, for an image and its mask."""

import numpy as np
from numpy.typing import NDArray

from app.imaging import field_of_view, resize
from model_training.datasets.frame import MASK_LEVEL


def working_size(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    height: int,
    width: int,
    *,
    cropped: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bring an image and its mask to the size that the network sees.

    Args:
        image: uint8 `[H, W, 3]`.
        mask: uint8 `[H, W]`, 0 or 255.
        height: Rows wanted.
        width: Columns wanted.
        cropped: Cut both to the image's field of view first.

    Returns:
        The image, uint8 `[height, width, 3]`, and the mask, uint8 `[height, width]`, 0 or 255:
        resized like the image and thresholded, so that a pixel is set when most of it is covered.
    """
    if cropped:
        field = field_of_view(image)
        image, mask = field.crop(image), field.crop(mask)
    return resize(image, height, width), working_mask(mask, height, width)


def working_mask(mask: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Bring a mask, or the part of it that the network sees, to the working size.

    Args:
        mask: uint8 `[H, W]`, 0 or 255.
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        uint8 `[height, width]`, 0 or 255: 255 where most of a pixel is covered.
    """
    grey = resize(mask, height, width)
    return np.where(grey > MASK_LEVEL, np.uint8(255), np.uint8(0))
