"""Run lengths, against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from app.imaging import compress_rle, decode_rle, encode_rle, phantom


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.uint8]:
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    share = draw(st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = (random.random((height, width)) < share).astype(np.uint8) * 255
    mask[0, 0] = draw(st.sampled_from([0, 255]))
    return mask


def _ring() -> NDArray[np.uint8]:
    mask = np.zeros((9, 14), np.uint8)
    mask[1:8, 2:12] = 255
    mask[3:6, 5:9] = 0
    return mask


# pycocotools returns arrays in a manner that NumPy 2.4 frowns upon.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(masks())
@example(np.zeros((3, 5), np.uint8))
@example(np.full((3, 5), 255, np.uint8))
@example(np.full((1, 1), 255, np.uint8))
@example(_ring())
@example(phantom(300, 400)[1])
@settings(max_examples=150, deadline=None)
def test_agrees_with_pycocotools(mask: NDArray[np.uint8]) -> None:
    height, width = mask.shape
    counts = encode_rle(mask)
    text = compress_rle(counts)
    oracle: dict[str, Any] = coco.encode(np.asfortranarray(mask != 0))
    assert oracle["size"] == [height, width]
    assert text == oracle["counts"].decode("ascii")
    # The plain list, through the oracle and back.
    packed = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    assert np.array_equal(coco.decode(packed) * 255, mask)
    assert coco.area(packed) == (mask != 0).sum()
    for form in (counts, text):
        decoded = decode_rle(form, height, width)
        assert decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        assert np.array_equal(decoded, mask)


@given(masks())
@settings(deadline=None)
def test_counts_alternate_from_background_and_fill_the_mask(mask: NDArray[np.uint8]) -> None:
    counts = encode_rle(mask)
    assert all(type(count) is int for count in counts)
    assert sum(counts) == mask.size
    assert (counts[0] == 0) == (mask[0, 0] != 0)
    assert 0 not in counts[1:]


def test_empty_and_full() -> None:
    assert encode_rle(np.zeros((4, 6), np.uint8)) == [24]
    assert encode_rle(np.full((4, 6), 255, np.uint8)) == [0, 24]


def test_order_is_column_major() -> None:
    mask = np.zeros((2, 3), np.uint8)
    mask[1, 0] = mask[0, 1] = 1
    assert encode_rle(mask) == [1, 2, 3]


def test_great_counts_survive() -> None:
    # Differences of more than 31 bits, and negative ones; no mask is so large.
    counts = [0, 2**40, 5, 1, 2**33, 0, 7]
    text = compress_rle(counts)
    assert text.isascii()
    with pytest.raises(ValueError, match=r"do not make a mask of 1 x 1 pixels"):
        decode_rle(text, 1, 1)
    assert compress_rle([]) == ""
    assert decode_rle("", 0, 0).shape == (0, 0)


@pytest.mark.parametrize(
    "counts", [[3], [3, 4], [-1, 7], [], "", "6 ", "\u0661", "P" * 13, "P" * 13 + "06", "o"]
)
def test_what_is_no_mask_is_refused(counts: list[int] | str) -> None:
    with pytest.raises(ValueError, match=r"mask of 2 x 3 pixels|run-length string"):
        decode_rle(counts, 2, 3)


@given(st.text(st.characters(codec="ascii"), max_size=30))
@settings(deadline=None)
def test_any_text_is_decoded_or_refused(text: str) -> None:
    try:
        mask = decode_rle(text, 4, 5)
    except ValueError:
        return
    assert mask.shape == (4, 5)
