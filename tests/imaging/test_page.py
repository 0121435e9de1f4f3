"""The code on the page about images does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.imaging import compress_rle, decode_rle, encode_rle, phantom

PAGE = Path(__file__).parents[2] / "docs" / "imaging.md"


@pytest.fixture
def snippets() -> dict[str, Any]:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)  # noqa: S102 - our own page
    return names


@pytest.mark.parametrize("corner", [0, 255])
# pycocotools returns arrays in a manner that NumPy 2.4 frowns upon.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_snippets_decode_masks(snippets: dict[str, Any], corner: int) -> None:
    _, mask = phantom(90, 160)
    mask[0, 0] = corner
    counts = encode_rle(mask)
    plain = {"encoding": "coco_rle", "size": [90, 160], "counts": counts}
    compressed = {"encoding": "coco_rle_compressed", "size": [90, 160]}
    compressed |= {"counts": compress_rle(counts)}
    assert np.array_equal(snippets["decode"](plain), mask)
    assert np.array_equal(snippets["decode_compressed"](compressed), mask)
    assert np.array_equal(decode_rle(counts, 90, 160), mask)
