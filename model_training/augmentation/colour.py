"""What the lamp and the video processor make of colour: one matrix and one tone curve."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model_training.augmentation.pixels import Pixels

Matrix = NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

# Narrow-band imaging shows the 540 nm band as red and the 415 nm band as green and blue
# (Gono et al., J. Biomed. Opt. 9 (2004) 568-577); a white-light frame comes closest to these
# bands in its green and blue channels.
_NARROW_BAND = np.array([[0.0, 1.1, 0.0], [0.0, 0.4, 0.8], [0.0, 0.25, 0.85]])


@dataclass(frozen=True, slots=True)
class Colour:
    """A 3x3 matrix (hue, saturation, white balance, casts), then a tone curve for all channels.

    The defaults leave everything as it is.

    Attributes:
        probability: Of everything here but casts and narrow band, in [0, 1].
        exposure: Greatest change of the light, in stops (factors of two), either way.
        brightness: Greatest offset, as a fraction of the full range.
        contrast: Greatest factor about middle grey, or its inverse.
        gamma: Greatest exponent of the tone curve, or its inverse.
        saturation: Greatest change of the distance from grey, as a fraction, either way.
        hue: Greatest turn about the grey axis, in degrees.
        white_balance: Greatest change of a channel's gain, in stops, either way.
        cast: Probability of a strong cast: greenish, bluish, yellowish or reddish.
        cast_strength: Greatest gain of that cast, in stops.
        narrow_band: Probability of colours like those of narrow-band imaging.
    """

    probability: float = 0.0
    exposure: float = 0.0
    brightness: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    saturation: float = 0.0
    hue: float = 0.0
    white_balance: float = 0.0
    cast: float = 0.0
    cast_strength: float = 0.0
    narrow_band: float = 0.0

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Change the colours of an image.

        Args:
            image: uint8 `[h, w, 3]`, RGB.
            rng: Source of all choices.

        Returns:
            uint8 `[h, w, 3]`.
        """
        usual, cast, narrow = rng.random(3) < (self.probability, self.cast, self.narrow_band)
        matrix = np.eye(3)
        if narrow:
            matrix = _blend(_NARROW_BAND, rng.uniform(0.6, 1.0)) @ matrix
        if usual:
            matrix = _turn(np.deg2rad(rng.uniform(-self.hue, self.hue))) @ matrix
            matrix = _saturate(1.0 + rng.uniform(-self.saturation, self.saturation)) @ matrix
            gains = rng.uniform(-self.white_balance, self.white_balance, 3)
            matrix = np.diag(np.exp2(gains)) @ matrix
        if cast:
            matrix = np.diag(np.exp2(self._cast(rng))) @ matrix
        if usual or cast or narrow:
            image = np.asarray(cv2.transform(image, matrix), np.uint8)
        return np.asarray(cv2.LUT(image, self._tones(rng)), np.uint8) if usual else image

    def _cast(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the gains of the channels, in stops."""
        directions = np.array([[-1.0, 0.4, -0.4], [-1, 0.1, 0.6], [0.2, 0.2, -1], [0.3, -1, -0.5]])
        strength = self.cast_strength * rng.uniform(0.4, 1.0)
        return np.asarray(strength * directions[rng.integers(len(directions))], np.float64)

    def _tones(self, rng: np.random.Generator) -> Pixels:
        """Draw the tone curve, uint8 `[256]`."""
        offset = rng.uniform(-self.brightness, self.brightness)
        exposure = np.exp2(rng.uniform(-self.exposure, self.exposure))
        contrast = np.exp(rng.uniform(-1.0, 1.0) * np.log(self.contrast))
        gamma = np.exp(rng.uniform(-1.0, 1.0) * np.log(self.gamma))
        tones = np.clip(np.linspace(0.0, exposure, 256), 0.0, 1.0) ** gamma
        tones = (tones - 0.5) * contrast + 0.5 + offset
        return np.asarray(np.rint(np.clip(tones, 0.0, 1.0) * 255.0), np.uint8)


def _blend(matrix: Matrix, weight: float) -> Matrix:
    return weight * matrix + (1.0 - weight) * np.eye(3)


def _saturate(factor: float) -> Matrix:
    return factor * np.eye(3) + (1.0 - factor) * np.outer(np.ones(3), _LUMA)


def _turn(angle: float) -> Matrix:
    """Return the rotation about the grey axis (Rodrigues' formula); grey stays grey."""
    cross = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / np.sqrt(3.0)
    about: Matrix = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return about
