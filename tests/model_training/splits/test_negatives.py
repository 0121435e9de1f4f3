"""Frames without a polyp: a sixth validates, and half of them are never seen in training."""

from pathlib import Path

import pytest

from model_training.datasets import Frame
from model_training.splits import Split, SplitError, add_negatives


def _frames(count: int) -> list[Frame]:
    return [
        Frame("negatives", f"{n:04}", Path(f"{n}"), None, f"negatives/{n:04}") for n in range(count)
    ]


def test_the_first_names_train_and_a_sixth_of_them_validates() -> None:
    polyp = Frame("cvc-clinicdb", "1", Path("1"), Path("1"), "cvc-clinicdb/1")
    split = Split("pranet", (polyp,), (), ())
    frames = _frames(300)

    added = add_negatives(split, frames[::-1])

    assert added.name == "pranet"
    assert added.hash != split.hash
    assert (len(added.train), len(added.validation), added.test) == (1 + 125, 25, ())
    seen = {*added.train, *added.validation} - {polyp}
    assert seen == set(frames[:150])
    assert not set(added.train) & set(added.validation)


def test_too_few_are_refused() -> None:
    with pytest.raises(SplitError, match="There are 149 frames"):
        add_negatives(Split("pranet", (), (), ()), _frames(149))
