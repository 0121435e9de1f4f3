"""The split of the tutorial, frame by frame."""

import random

import pytest
from sklearn.model_selection import train_test_split

from model_training.splits import SplitError, tutorial
from tests.model_training.generated import clinicdb_frames

HASH = "39d740c9e665e86aad1dd0d97004cc38ae62c3ab8fb8c84d53d7d4068161964d"


def test_is_the_cut_of_the_tutorial() -> None:
    # As in the tutorial: sorted(glob("images/*")), 10 % to validate, then 10 % to test.
    paths = sorted(f"CVC-612/images/{number}.tif" for number in range(1, 613))
    size = int(0.1 * len(paths))
    train, validation = train_test_split(paths, test_size=size, random_state=42)
    train, test = train_test_split(train, test_size=size, random_state=42)

    split = tutorial(clinicdb_frames())
    for (_, frames), expected in zip(split.roles(), (train, validation, test), strict=True):
        assert [f"CVC-612/images/{frame.name}.tif" for frame in frames] == expected
    assert [len(frames) for _, frames in split.roles()] == [490, 61, 61]


def test_neither_the_order_of_the_frames_nor_time_change_it() -> None:
    frames = clinicdb_frames()
    random.Random(1).shuffle(frames)  # noqa: S311 - not for secrets
    assert tutorial(frames).hash == HASH


def test_is_not_cut_from_a_part_of_the_data() -> None:
    with pytest.raises(SplitError, match=r"needs all 612 frames .*; 2 are missing, such as 611"):
        tutorial(clinicdb_frames()[:-2])
