"""Generated pictures that look a little like colonoscopy; no patient is in them."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_Field = NDArray[np.float32]

_SHADOW: Final = (0.20, 0.05, 0.04)
_MUCOSA: Final = (0.96, 0.63, 0.50)
_POLYP: Final = (0.98, 0.50, 0.42)
_VESSEL: Final = (0.70, 0.26, 0.22)
_SHINE: Final = (1.0, 0.98, 0.94)


def phantom(
    height: int, width: int, *, seed: int = 0, polyp: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draws the inside of a tube with folds, vessels and wet highlights, and a polyp on its wall.

    The seed alone decides the scene: at another size it is the same one, finer or coarser.

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
    lumen_y, lumen_x = random.uniform(-0.35, 0.35), random.uniform(-0.35, 0.35)
    colour = _wall(random, y - lumen_y, x - lumen_x)
    # The polyp stands between lumen and border, where the light is good.
    angle = random.uniform(0, 2 * math.pi)
    centre_y = min(max(lumen_y + 0.52 * math.sin(angle), -0.52), 0.52)
    centre_x = min(max(lumen_x + 0.52 * math.cos(angle), -0.52), 0.52)
    mask = np.zeros((height, width), np.uint8)
    if polyp:
        inside = _add_polyp(colour, random, y - centre_y, x - centre_x)
        mask[inside] = 255
    # An endoscope shows a bright field with cut corners, brightest in the middle.
    edge = np.maximum.reduce([np.abs(x), np.abs(y), (np.abs(x) + np.abs(y)) / 1.55])
    colour *= ((1.05 - 0.30 * (x * x + y * y)) * np.clip((0.97 - edge) * 60, 0.02, 1))[..., None]
    return np.clip(colour * 255 + 0.5, 0, 255).astype(np.uint8), mask


def phantom_jpeg(height: int, width: int, *, seed: int = 0) -> bytes:
    """Draws a `phantom` and compresses it as an endoscope's recorder would.

    Args:
        height: Height in pixels, at least 1.
        width: Width in pixels, at least 1.
        seed: Which scene.

    Returns:
        A JPEG of quality 90.
    """
    image, _ = phantom(height, width, seed=seed)
    _, data = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 90))
    return data.tobytes()


def _wall(random: np.random.Generator, y: _Field, x: _Field) -> _Field:
    """The tube, with the far end of the lumen at the origin; float32 `[H, W, 3]`."""
    size = y.shape
    depth = np.hypot(x, y) + 0.10 * _noise(random, 4, size) + 0.02 * _noise(random, 10, size)
    # Rings that brighten towards their crest and drop into shadow behind it; perspective brings
    # them closer together far away.
    phase = (3.1 * np.log(np.clip(depth, 0.04, None)) + random.uniform()) % 1
    crest = phase**2 * np.clip((1 - phase) * 12, 0, 1)
    light = np.clip(1.5 * depth - 0.05, 0, 0.72) + 0.30 * crest * np.clip(2 * depth, 0, 1)
    colour = _mix(_SHADOW, _MUCOSA, light + 0.03 * _noise(random, 6, size))
    vessels = np.exp(-((_noise(random, 8, size) / 0.04) ** 2))
    colour = _mix(colour, _VESSEL, 0.22 * vessels * light)
    colour *= 1 + 0.02 * _noise(random, 120, size)[..., None]
    # Wet mucosa mirrors the lamp in small spots, in a few places.
    wet = np.clip(_noise(random, 5, size) - 0.5, 0, 1) * np.clip(
        _noise(random, 48, size) - 1.1, 0, 1
    )
    return _mix(colour, _SHINE, np.clip(9 * wet * light, 0, 0.97))


def _add_polyp(
    colour: _Field, random: np.random.Generator, y: _Field, x: _Field
) -> NDArray[np.bool_]:
    """Paints a dome at the origin into `colour`; returns where it is."""
    size = y.shape
    turn = random.uniform(0, math.pi)
    u = (x * math.cos(turn) + y * math.sin(turn)) / random.uniform(0.22, 0.36)
    v = (y * math.cos(turn) - x * math.sin(turn)) / random.uniform(0.22, 0.30)
    around = np.arctan2(v, u)
    rim = np.hypot(u, v) / (1 + 0.06 * np.sin(3 * around + turn) + 0.03 * np.sin(5 * around))
    inside = rim <= 1
    # Its shadow on the wall, then the dome itself, lit from the middle of the picture's top.
    colour *= 1 - 0.5 * np.exp(-(((rim - 1) / 0.16) ** 2))[..., None]
    facing = np.sqrt(np.clip(1 - rim * rim, 0, 1))
    lit = np.clip(0.40 + 0.48 * facing - 0.22 * y / 0.3, 0, 1) + 0.03 * _noise(random, 60, size)
    shine = np.clip(_noise(random, 40, size) - 1.2, 0, 1) * np.clip(facing - 0.55, 0, 1)
    dome = _mix(_mix(_SHADOW, _POLYP, lit), _SHINE, np.clip(7 * shine, 0, 0.97))
    colour[:] = _mix(colour, dome, np.clip((1 - rim) * 14, 0, 1))
    return np.asarray(inside, np.bool_)


def _grid(height: int, width: int) -> tuple[_Field, _Field]:
    """Pixel centres, y and x; both run from -1 to 1 across the picture."""
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    rows, columns = np.meshgrid(y, x, indexing="ij")
    return rows.astype(np.float32), columns.astype(np.float32)


def _noise(random: np.random.Generator, cells: int, size: tuple[int, ...]) -> _Field:
    """Smooth noise of about unit variance; its grid is fixed, so that any size shows the same."""
    coarse = random.standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _mix(
    below: _Field | tuple[float, ...], above: _Field | tuple[float, ...], share: _Field
) -> _Field:
    low, high = np.asarray(below, np.float32), np.asarray(above, np.float32)
    return np.asarray(low + (high - low) * share[..., None], np.float32)
