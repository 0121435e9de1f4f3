"""Checks that all servers give the same masks."""

import asyncio

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.load import answers
from benchmarks.pictures import SIZES, scenes
from benchmarks.requests import Target


class Masks:
    """The masks of the first server that was asked, which the others are held against."""

    def __init__(self) -> None:
        self._first: dict[str, list[NDArray[np.uint8]]] = {}

    def differences(self, target: Target) -> dict[str, int]:
        """Ask for a mask of every picture.

        Returns:
            By size: the most pixels in which a mask differs from the first server's.
        """
        return {size: self._difference(target, size) for size in SIZES}

    def _difference(self, target: Target, size: str) -> int:
        bodies = asyncio.run(answers(target, scenes(size)))
        masks = [_decode(target.png(body)) for body in bodies]
        first = self._first.setdefault(size, masks)
        return max(int((a != b).sum()) for a, b in zip(masks, first, strict=True))


def _decode(png: bytes) -> NDArray[np.uint8]:
    mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.ndim == 2
    return np.asarray(mask, np.uint8)
