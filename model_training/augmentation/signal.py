"""What happens to a frame on its way to a file: low resolution, noise, fields, sharpening, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np

from model_training.augmentation.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Signal:
    """Sensor, video processor and recorder; the defaults leave everything as it is.

    Attributes:
        resample: Probability of a passage through a lower resolution.
        resample_min: Smallest such resolution, as a fraction of the image's.
        noise: Probability of sensor noise, fine or coarse, coloured or grey.
        noise_deviation: Greatest standard deviation, in grey levels of 255.
        interlace: Probability that odd and even lines show different moments.
        interlace_shift: Greatest distance between them, as a fraction of the width.
        sharpen: Probability of edge enhancement, as video processors do it.
        sharpen_amount: Greatest weight of the enhanced detail.
        jpeg: Probability of JPEG compression, with half the resolution for colour.
        jpeg_quality_min: Lowest quality, 1 to 100.
        jpeg_quality_max: Highest quality.
    """

    resample: float = 0.0
    resample_min: float = 1.0
    noise: float = 0.0
    noise_deviation: float = 0.0
    interlace: float = 0.0
    interlace_shift: float = 0.0
    sharpen: float = 0.0
    sharpen_amount: float = 0.0
    jpeg: float = 0.0
    jpeg_quality_min: int = 95
    jpeg_quality_max: int = 95

    def degrade(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Resample, add noise, shift fields and sharpen.

        Args:
            image: uint8 `[h, w, 3]`.
            rng: Source of all choices.

        Returns:
            uint8 `[h, w, 3]`.
        """
        chosen = rng.random(4) < (self.resample, self.noise, self.interlace, self.sharpen)
        if chosen[0]:
            image = _resample(image, rng.uniform(self.resample_min, 1.0), rng)
        if chosen[1]:
            image = _add_noise(image, rng.uniform(0.2, 1.0) * self.noise_deviation, rng)
        if chosen[2]:
            reach = max(1, round(self.interlace_shift * image.shape[1]))
            image = _interlace(image, int(rng.integers(1, reach + 1)) * int(rng.choice((-1, 1))))
        if chosen[3]:
            image = _sharpen(image, rng.uniform(0.2, 1.0) * self.sharpen_amount)
        return image

    def compress(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Pass an image through JPEG: the last step of most recorders.

        Args:
            image: uint8 `[h, w, 3]`.
            rng: Source of all choices.

        Returns:
            uint8 `[h, w, 3]`.
        """
        if rng.random() >= self.jpeg:
            return image
        quality = int(rng.integers(self.jpeg_quality_min, self.jpeg_quality_max + 1))
        bgr = image[..., ::-1]
        _, data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def _resample(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    modes = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
    mode = modes[int(rng.choice(3, p=(0.5, 0.35, 0.15)))]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=mode), np.uint8)


def _add_noise(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Add the difference of two uniform variables: near enough to normal, and cheap to draw."""
    height, width = image.shape[:2]
    grain, channels = int(rng.integers(1, 3)), int(rng.choice((1, 3)))
    rows, columns = -(-height // grain), -(-width // grain)
    weight = deviation / np.sqrt(256.0**2 / 6.0)
    for sign in (1.0, -1.0):
        drawn = np.frombuffer(rng.bytes(rows * columns * channels), np.uint8)
        noise = drawn.reshape(rows, columns, channels)
        if grain > 1:
            noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
        if channels == 1:
            noise = cv2.merge((noise,) * 3)
        image = cv2.addWeighted(image, 1.0, noise, sign * weight, -sign * weight * 127.5)
    return np.asarray(image, np.uint8)


def _interlace(image: Pixels, apart: int) -> Pixels:
    """Move the lines of one field half the way and the others half the other way."""
    woven = np.empty_like(image)
    for field, by in ((0, apart // 2), (1, apart // 2 - apart)):
        woven[field::2] = np.roll(image[field::2], by, axis=1)
    return woven


def _sharpen(image: Pixels, amount: float) -> Pixels:
    smooth = cv2.GaussianBlur(image, (0, 0), 1.2)
    return np.asarray(cv2.addWeighted(image, 1.0 + amount, smooth, -amount, 0.0), np.uint8)
