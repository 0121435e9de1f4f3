"""What the model says about one image; pixels at source size are made when they are asked for."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.imaging import Field, Header, Image, Segmentation, decode, segment, upsample
from app.inference.pipeline import at_source


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    The properties compute; call them in the function that `Predictor.predict` is given.

    Attributes:
        header: Header of the image.
        data: The encoded image.
        small: Probabilities at the input size of the model, float32 `[h, w]` in [0, 1].
        view: The part of the image that they are of.
        threshold: The mask is probability >= threshold.
        min_area: Regions under this many source pixels are removed from the mask.
        timings_ms: Milliseconds of `decode` (with resize), `queue` and `infer`, and of `encode`
            once rendered.
    """

    header: Header
    data: bytes
    small: NDArray[np.float32]
    view: Field
    threshold: float
    min_area: int
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        """The image, decoded again: few answers need it, and it may be large."""
        return decode(self.data)

    @property
    def probability(self) -> NDArray[np.float32]:
        """The probability map, float32 `[H, W]` in [0, 1], at source size."""
        return at_source(self.small, self.view, self.header.height, self.header.width)

    @cached_property
    def segmentation(self) -> Segmentation:
        """The mask and its regions, at source size."""
        view = self.view
        # Outside the view nothing can be found: only the mask, a quarter of the bytes, goes there.
        part = upsample(self.small, view.height, view.width)
        found = segment(part, self.threshold, min_area=self.min_area)
        return found.within(view, self.header.height, self.header.width)
