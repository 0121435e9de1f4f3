"""Where things are: flips and one combined warp of the image and its mask."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.augmentation.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Geometry:
    """Flips, then one warp that combines all the rest, so that pixels are interpolated once.

    The defaults leave everything as it is.

    Attributes:
        flip: Probability of each of the two flips.
        probability: Of the warp, in [0, 1].
        rotation: Greatest angle in degrees, either way.
        scale_min: Smallest magnification; the scale is log-uniform.
        scale_max: Greatest magnification.
        aspect: Greatest ratio by which width may grow against height, or height against width.
        shear: Greatest shift of a row, as a fraction of its distance from the centre.
        translation: Greatest shift, as a fraction of each side.
        perspective: Greatest change of depth between the centre and an edge, as a fraction.
        elastic: Standard deviation of a smooth random displacement, as a fraction of the shorter
            side.
    """

    flip: float = 0.0
    probability: float = 0.0
    rotation: float = 0.0
    scale_min: float = 1.0
    scale_max: float = 1.0
    aspect: float = 1.0
    shear: float = 0.0
    translation: float = 0.0
    perspective: float = 0.0
    elastic: float = 0.0

    def __call__(
        self, image: Pixels, mask: Pixels, rng: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """Move image and mask together; the image linearly, the mask to the nearest pixel.

        Args:
            image: uint8 `[h, w, 3]`.
            mask: uint8 `[h, w]`.
            rng: Source of all choices.

        Returns:
            Image and mask of the same shapes.
        """
        flips = rng.random(2) < self.flip
        if rng.random() >= self.probability:
            step = np.where(flips, -1, 1)
            return image[:: step[0], :: step[1]], mask[:: step[0], :: step[1]]
        height, width = mask.shape
        columns, rows = _source(self._matrix(height, width, flips, rng), height, width)
        if self.elastic > 0.0:
            moved = _wander(height, width, self.elastic * min(height, width), rng)
            columns += moved[..., 0]
            rows += moved[..., 1]
        return (
            _remap(image, columns, rows, cv2.INTER_LINEAR),
            _remap(mask, columns, rows, cv2.INTER_NEAREST),
        )

    def _matrix(
        self, height: int, width: int, flips: NDArray[np.bool_], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw the projective matrix that takes source to target coordinates (x, y, 1)."""
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        scale = np.exp(rng.uniform(np.log(self.scale_min), np.log(self.scale_max)))
        stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log(self.aspect))
        shear = rng.uniform(-self.shear, self.shear)
        size = np.array([width, height])
        shift = rng.uniform(-self.translation, self.translation, 2) * size
        tilt = rng.uniform(-self.perspective, self.perspective, 2) / (size / 2)

        centre = (size - 1) / 2
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        sides = np.where(flips[::-1], -1.0, 1.0) * scale * np.array([stretch, 1.0 / stretch])
        linear = np.eye(3)
        linear[:2, :2] = turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(sides)
        projective = np.eye(3)
        projective[2, :2] = tilt
        return _shift(centre + shift) @ projective @ linear @ _shift(-centre)


def _shift(by: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    matrix[:2, 2] = by
    return matrix


def _source(
    matrix: NDArray[np.float64], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return for each target pixel the column and the row that it is taken from."""
    inverse = np.linalg.inv(matrix).astype(np.float32)
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    columns, rows, depth = (row[0] * x + (row[1] * y + row[2]) for row in inverse)
    return columns / depth, rows / depth


def _wander(
    height: int, width: int, deviation: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a smooth displacement `[h, w, 2]` in pixels, drawn on a coarse grid."""
    cells = int(rng.integers(4, 8))
    grid = rng.standard_normal((cells, cells, 2), dtype=np.float32) * np.float32(deviation)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _remap(
    source: Pixels, columns: NDArray[np.float32], rows: NDArray[np.float32], interpolation: int
) -> Pixels:
    # Black beyond the edge, as around the field of an endoscope: mirroring would show polyps twice.
    border = cv2.BORDER_CONSTANT
    return np.asarray(cv2.remap(source, columns, rows, interpolation, borderMode=border), np.uint8)
