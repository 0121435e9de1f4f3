"""What the lens and a moving tip do: blur of three kinds, and colour fringes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.augmentation.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Optics:
    """Blur and colour fringes; the defaults leave everything as it is.

    Attributes:
        blur: Probability of a blur: Gaussian, by motion, or out of focus, one in three each.
        blur_size: Greatest radius of the blur, as a fraction of the shorter side.
        fringes: Probability that the three colours are out of register, as with cameras that
            light the scene in red, green and blue in turn while the tip moves.
        fringes_size: Greatest distance between red and blue, as a fraction of the shorter side.
    """

    blur: float = 0.0
    blur_size: float = 0.0
    fringes: float = 0.0
    fringes_size: float = 0.0

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Blur an image.

        Args:
            image: uint8 `[h, w, 3]`.
            rng: Source of all choices.

        Returns:
            uint8 `[h, w, 3]`.
        """
        blurred, fringed = rng.random(2) < (self.blur, self.fringes)
        side = min(image.shape[:2])
        if fringed:
            image = _fringe(image, rng.uniform(-1.0, 1.0, 2) * self.fringes_size * side)
        if blurred:
            radius = rng.uniform(0.2, 1.0) * self.blur_size * side
            image = _BLURS[int(rng.integers(len(_BLURS)))](image, radius, rng)
        return image


def _gaussian(image: Pixels, radius: float, _: np.random.Generator) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.6 * radius, 0.3)), np.uint8)


def _motion(image: Pixels, radius: float, rng: np.random.Generator) -> Pixels:
    angle = rng.uniform(0.0, np.pi)
    reach = int(np.ceil(radius))
    x, y = np.meshgrid(*2 * (np.arange(-reach, reach + 1),))
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    kernel = np.clip(radius + 0.5 - np.abs(along), 0.0, 1.0) * np.clip(1.0 - np.abs(across), 0, 1)
    return _convolve(image, kernel)


def _defocus(image: Pixels, radius: float, _: np.random.Generator) -> Pixels:
    reach = int(np.ceil(radius))
    x, y = np.meshgrid(*2 * (np.arange(-reach, reach + 1),))
    return _convolve(image, np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0))


_BLURS = (_gaussian, _motion, _defocus)


def _convolve(image: Pixels, kernel: NDArray[np.float64]) -> Pixels:
    weights = (kernel / kernel.sum()).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, weights), np.uint8)


def _fringe(image: Pixels, apart: NDArray[np.float64]) -> Pixels:
    """Move red half the way and blue half the other way; green, and with it the mask, stays."""
    height, width = image.shape[:2]
    planes = list(cv2.split(image))
    for plane, way in ((0, 0.5), (2, -0.5)):
        move = np.array([[1.0, 0.0, way * apart[0]], [0.0, 1.0, way * apart[1]]])
        planes[plane] = cv2.warpAffine(
            planes[plane], move, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
    return np.asarray(cv2.merge(planes), np.uint8)
