"""Masks as COCO run lengths, plain and compressed.

The definition is that of pycocotools' `maskApi.c`: pixels in column-major order, alternating run
lengths, the first run is background. https://github.com/cocodataset/cocoapi
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# The compressed form writes a count as digits of 5 bits, lowest first, each a character from "0"
# on. Bit 5 says that another digit follows, bit 4 of the last digit is the sign.
_ZERO: Final = ord("0")
_DIGIT: Final = 0x1F
_SIGN: Final = 0x10
_MORE: Final = 0x20
_MOST_DIGITS: Final = 12  # 60 bits, far more than any mask needs


def encode_rle(mask: NDArray[np.uint8]) -> list[int]:
    """Encodes a mask as run lengths.

    Args:
        mask: uint8 `[H, W]`; every value but 0 is foreground.

    Returns:
        Run lengths in pixels that sum to `H * W`; background first, so the list starts with 0
        where pixel (0, 0) is foreground.
    """
    # cv2.transpose moves blocks; numpy's strided copy of a mask takes five times as long.
    columns = (cv2.transpose(mask) != 0).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1]) + 1
    first = [0] if columns.size and columns[0] else []
    runs: list[int] = np.diff(changes, prepend=0, append=columns.size).tolist()
    return first + runs


def compress_rle(counts: Sequence[int]) -> str:
    """Compresses run lengths into COCO's ASCII string.

    Args:
        counts: Run lengths, as `encode_rle` returns them.

    Returns:
        The string that pycocotools has in `counts`.
    """
    values = np.array(counts, np.int64)
    values[3:] -= np.array(counts[1:-2], np.int64)  # runs resemble those one column before
    bits = int(np.abs(values).max(initial=0)).bit_length() + 1  # and the sign
    digits = values[:, np.newaxis] >> np.arange(0, bits, 5)
    # A digit is the last one when all that is left of the number is its sign.
    rest = digits >> 5
    more = rest != np.where(digits & _SIGN, -1, 0)
    characters = (digits & _DIGIT) + _MORE * more + _ZERO
    # Digits above the last one are dropped.
    written = np.logical_and.accumulate(np.insert(more[:, :-1], 0, True, axis=1), axis=1)
    text: bytes = characters[written].astype(np.uint8).tobytes()
    return text.decode("ascii")


def decode_rle(counts: Sequence[int] | str, height: int, width: int) -> NDArray[np.uint8]:
    """Decodes run lengths, plain or compressed.

    Args:
        counts: What `encode_rle` or `compress_rle` returned.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.

    Returns:
        uint8 `[height, width]`, 0 or 255.

    Raises:
        ValueError: The counts are negative, do not sum to `height * width`, or are no such string.
    """
    runs = _decompress(counts) if isinstance(counts, str) else np.array(counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"The run lengths do not make a mask of {height} x {width} pixels.")
    values = np.zeros(runs.size, np.uint8)
    values[1::2] = 255
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def _decompress(text: str) -> NDArray[np.int64]:
    digits = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - _ZERO
    last = (digits & _MORE) == 0
    lengths = np.diff(np.flatnonzero(last), prepend=-1)
    if (
        (digits < 0).any()
        or (digits >= 2 * _MORE).any()
        or (digits.size and not last[-1])
        or (lengths > _MOST_DIGITS).any()
    ):
        raise ValueError("The text is not a compressed run-length string.")
    starts = np.cumsum(lengths) - lengths
    shifts = 5 * (np.arange(digits.size) - np.repeat(starts, lengths))
    parts = (digits & _DIGIT) << shifts
    negative = last & ((digits & _SIGN) != 0)
    parts[negative] -= 1 << (shifts[negative] + 5)
    values = np.add.reduceat(parts, starts) if digits.size else parts
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values
