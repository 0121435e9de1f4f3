"""Generated pictures that look a little like colonoscopy; no patient is in them."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_MUCOSA: Final = (0.84, 0.50, 0.42)
_DEEP: Final = (0.50, 0.16, 0.13)
_POLYP: Final = (0.80, 0.28, 0.25)
_VESSEL: Final = (0.62, 0.22, 0.20)

_Field = NDArray[np.float32]


def phantom(
    height: int, width: int, *, seed: int = 0, polyp: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws pink mucosa with folds, vessels, highlights and a vignette, and a polyp on it.

    The scene depends on the seed alone, its size only on `height` and `width`: the same seed at
    another size is the same scene.

    Args:
        height: Height in pixels, at least 1.
        width: Width in pixels, at least 1.
        seed: Which scene.
        polyp: Whether there is a polyp.

    Returns:
        The picture, RGB uint8 `[height, width, 3]`, and its mask, uint8 `[height, width]`, 0 or
        255; the mask is empty without a polyp.
    """
    random = np.random.default_rng(seed)
    y, x = _grid(height, width)
    # The lumen is far from the light: dark, and the folds run around it.
    lumen_x, lumen_y = random.uniform(-0.45, 0.45, 2)
    warp = _noise(random, 5, height, width)
    depth = np.hypot(x - lumen_x, y - lumen_y) + 0.16 * warp
    folds = np.sin(depth * random.uniform(13, 17) + random.uniform(0, 6.28))
    light = 0.46 + 0.5 * np.clip(depth, 0, 1.1) ** 0.8 + 0.10 * folds + 0.05 * warp

    colour = _mix(_DEEP, _MUCOSA, np.clip(light, 0, 1))
    vessels = np.exp(-((_noise(random, 9, height, width) / 0.05) ** 2))
    colour = _blend(colour, _VESSEL, 0.28 * vessels)
    grain = _noise(random, 90, height, width)
    shine = np.clip(folds - 0.55, 0, 1) * np.clip(_noise(random, 24, height, width), 0, None)

    inside, lift, lit = _dome(random, y, x, lumen_x, lumen_y)
    mask = np.zeros((height, width), np.uint8)
    if polyp:
        mask[inside] = 255
        surface = _mix(_DEEP, _POLYP, np.clip(0.35 + 0.75 * lit + 0.12 * grain, 0, 1.25))
        edge = np.clip(lift * 9, 0, 1)  # a soft rim, half a dozen pixels wide
        colour *= 1 - 0.45 * np.clip(1 - np.abs(lift) * 7, 0, 1)[..., np.newaxis]
        colour = _blend(colour, surface, edge * inside)
        shine = np.where(inside, 2.2 * np.clip(lit - 0.80, 0, 1), shine)

    colour *= (1 + 0.05 * grain)[..., np.newaxis]
    colour = _blend(colour, (1.0, 0.98, 0.95), np.clip(4 * shine, 0, 0.95))
    # The bright round field of an endoscope, with the corners cut off.
    colour *= (1 - 0.38 * np.clip(np.hypot(x, y), 0, 1.3) ** 2)[..., np.newaxis]
    field = np.clip((1.28 - np.abs(x) * 0.62 - np.abs(y) * 0.62) * 24, 0, 1)
    colour *= field[..., np.newaxis]
    return np.clip(colour * 255 + 0.5, 0, 255).astype(np.uint8), mask


def _grid(height: int, width: int) -> tuple[_Field, _Field]:
    """Pixel centres; -1 to 1 across the picture on both axes."""
    y = (np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    return np.broadcast_to(y[:, np.newaxis], (height, width)), np.broadcast_to(x, (height, width))


def _noise(random: np.random.Generator, cells: int, height: int, width: int) -> _Field:
    """Smooth noise of about unit variance; drawn on a fixed grid, so that size changes nothing."""
    coarse = random.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _dome(
    random: np.random.Generator, y: _Field, x: _Field, lumen_x: float, lumen_y: float
) -> tuple[NDArray[np.bool_], _Field, _Field]:
    """A bump on the wall: where it is, its height above the rim, and how it is lit."""
    angle = random.uniform(0, 6.28)
    # Away from the lumen, whose darkness would hide it, and inside the field.
    centre_x = np.clip(lumen_x + 0.62 * np.cos(angle), -0.5, 0.5)
    centre_y = np.clip(lumen_y + 0.62 * np.sin(angle), -0.5, 0.5)
    radius_x, radius_y = random.uniform(0.20, 0.34, 2)
    turn = random.uniform(0, 3.14)
    dx, dy = x - centre_x, y - centre_y
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / radius_x
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / radius_y
    wobble = 1 + 0.08 * np.sin(3 * np.arctan2(v, u) + angle)
    rim = np.hypot(u, v) / wobble
    lift = 1 - rim
    normal_z = np.sqrt(np.clip(1 - np.clip(rim, 0, 1) ** 2, 0, 1))
    lit = 0.82 * normal_z - 0.38 * u - 0.42 * v
    return rim <= 1, lift, lit


def _mix(dark: tuple[float, ...], bright: tuple[float, ...], share: _Field) -> _Field:
    low, high = np.array(dark, np.float32), np.array(bright, np.float32)
    return np.asarray(low + (high - low) * share[..., np.newaxis], np.float32)


def _blend(below: _Field, above: _Field | tuple[float, ...], share: _Field) -> _Field:
    top = np.asarray(above, np.float32)
    return np.asarray(below + (top - below) * share[..., np.newaxis], np.float32)
