"""Pictures that tell where each of their pixels, and each pixel of their mask, comes from."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def atlas() -> Pixels:
    """Draw 256 x 256 pixels whose red is the column, whose green is the row; blue is 255."""
    rows, columns = np.mgrid[:256, :256]
    return np.stack((columns, rows, np.full_like(rows, 255)), axis=-1).astype(np.uint8)


def blob(height: int = 256, width: int = 256) -> tuple[Pixels, Pixels]:
    """Draw a white shape without symmetry on grey, and its mask, 0 or 1."""
    mask = np.zeros((height, width), np.uint8)
    unit = np.array([width, height]) / 256
    for centre, size in (((110, 120), (90, 50)), ((150, 150), (40, 60)), ((170, 100), (16, 16))):
        cv2.ellipse(mask, (centre * unit, size * unit, 0.0), 1, -1)
    image = np.where(mask[..., None] == 1, np.uint8(255), np.uint8(90)).repeat(3, axis=2)
    return image, mask


def flat(level: int, height: int = 128, width: int = 128) -> Pixels:
    """Draw one grey level everywhere."""
    return np.full((height, width, 3), level, np.uint8)


def centroid(grey: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the centre of mass (x, y) of a grey image."""
    weights = grey.astype(np.float64)
    rows, columns = np.indices(weights.shape)
    total = weights.sum()
    return np.array([(columns * weights).sum() / total, (rows * weights).sum() / total])


def detail(image: Pixels) -> float:
    """Return how much fine structure there is: the variance of the Laplacian."""
    return float(cv2.Laplacian(image, cv2.CV_64F).var())
