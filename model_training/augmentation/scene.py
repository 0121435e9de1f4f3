"""What is in front of the lens: uneven light, wet highlights, and things that hide the mucosa."""

from dataclasses import dataclass

import cv2
import numpy as np

from model_training.augmentation.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Scene:
    """Light, highlights and cut-outs; the defaults leave everything as it is.

    None of them changes the mask: a polyp goes on under a reflection or behind a drop, and those
    who draw masks draw it so.

    Attributes:
        illumination: Probability of light that falls unevenly.
        illumination_strength: Standard deviation of the light across the image, in stops.
        highlights: Probability of clusters of specular highlights.
        highlights_size: Greatest half length of a highlight, as a fraction of the shorter side.
        cutouts: Probability of patches that hide what is behind them (DeVries and Taylor,
            arXiv:1708.04552).
        cutouts_size: Greatest side of a patch, as a fraction of the shorter side.
    """

    illumination: float = 0.0
    illumination_strength: float = 0.0
    highlights: float = 0.0
    highlights_size: float = 0.0
    cutouts: float = 0.0
    cutouts_size: float = 0.0

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Change the light and put things in front of the mucosa.

        Args:
            image: uint8 `[h, w, 3]`.
            rng: Source of all choices.

        Returns:
            uint8 `[h, w, 3]`.
        """
        lit, wet, hidden = rng.random(3) < (self.illumination, self.highlights, self.cutouts)
        side = min(image.shape[:2])
        if lit:
            image = _shade(image, self.illumination_strength, rng)
        if wet:
            image = _reflect(image, self.highlights_size * side, rng)
        if hidden:
            image = _hide(image, self.cutouts_size * side, rng)
        return image


def _shade(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    cells = int(rng.integers(2, 5))
    stops = strength * rng.standard_normal((cells, cells))
    coarse = np.clip(128.0 * np.exp2(stops), 0.0, 255.0).astype(np.uint8)
    light = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.multiply(image, cv2.merge((light,) * 3), scale=1.0 / 128.0), np.uint8)


def _reflect(image: Pixels, size: float, rng: np.random.Generator) -> Pixels:
    """Draw clusters of white ellipses with soft edges, where the image is not dark."""
    height, width = image.shape[:2]
    shine = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        centre = rng.uniform(0.1, 0.9, 2) * (width, height)
        angle = rng.uniform(0.0, 180.0)
        for _ in range(int(rng.integers(2, 9))):
            x, y = np.clip(centre + rng.normal(0.0, 4.0 * size, 2), 0, (width - 1, height - 1))
            long = 2.0 * size * rng.uniform(0.1, 1.0)
            axes = (long, long * rng.uniform(0.2, 0.7))
            box = ((float(x), float(y)), axes, angle + rng.normal(0.0, 15.0))
            if image[int(y), int(x)].max() >= 64:
                cv2.ellipse(shine, box, 255, -1, cv2.LINE_AA)
    shine = cv2.GaussianBlur(shine, (0, 0), max(0.15 * size, 0.5))
    return np.asarray(cv2.add(image, cv2.merge((shine,) * 3)), np.uint8)


def _hide(image: Pixels, size: float, rng: np.random.Generator) -> Pixels:
    """Fill one to three rectangles or ellipses with a colour of the image, with grey or black."""
    height, width = image.shape[:2]
    image = np.array(image)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.0, 1.0, 2) * (width, height)
        sides = rng.uniform(0.3, 1.0, 2) * size
        box = ((x, y), (float(sides[0]), float(sides[1])), rng.uniform(0.0, 180.0))
        kind = int(rng.integers(3))
        found = image[int(rng.integers(height)), int(rng.integers(width))]
        colour = [int(c) for c in (found, (0, 0, 0), (int(rng.integers(256)),) * 3)[kind]]
        if rng.random() < 0.5:
            cv2.ellipse(image, box, colour, -1, cv2.LINE_AA)
        else:
            corners = np.rint(cv2.boxPoints(box)).astype(np.int32)
            cv2.fillConvexPoly(image, corners, colour, cv2.LINE_AA)
    return image
