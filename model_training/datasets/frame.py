"""One frame of a data set: where its files are, and which frames it must stay together with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.imaging import decode, read_header

MASK_LEVEL = 127
"""A mask's pixel belongs to the polyp when its grey value is above this level.

138 of the raw CVC-ClinicDB masks hold values of 9 to 13 where an annotation runs outside the field
of view, and JPEG masks ring around their edges: `> 0` would inflate a polyp by up to 44 %.
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """An image and its mask, by path; pixels are read on demand.

    Attributes:
        dataset: `"cvc-clinicdb"`, `"kvasir-seg"` or `"negatives"`.
        name: The file name without its suffix, unique within the data set.
        image: Path of the image.
        mask: Path of the mask, or `None` for a frame without a polyp.
        sequence: Frames with equal sequences show the same scene and must stay together.
    """

    dataset: str
    name: str
    image: Path
    mask: Path | None
    sequence: str

    @property
    def key(self) -> str:
        """The name that manifests and reports use, such as `"cvc-clinicdb/100"`."""
        return f"{self.dataset}/{self.name}"

    def read_image(self) -> NDArray[np.uint8]:
        """Decode the image.

        Returns:
            uint8 `[height, width, 3]`, RGB, at source size.

        Raises:
            ImageError: If the file is not an image that can be decoded.
        """
        return decode(self.image.read_bytes()).pixels

    def read_mask(self) -> NDArray[np.uint8]:
        """Decode the mask and threshold it.

        Returns:
            uint8 `[height, width]`, 0 or 255, at source size; all 0 for a frame without a polyp.

        Raises:
            ImageError: If the file is not an image that can be decoded.
        """
        if self.mask is None:
            header = read_header(self.image.read_bytes())
            return np.zeros((header.height, header.width), np.uint8)
        grey = decode(self.mask.read_bytes()).pixels[..., 0]
        return np.where(grey > MASK_LEVEL, np.uint8(255), np.uint8(0))
