"""Frames without a polyp, added to a split so that a network learns to mark nothing."""

from collections.abc import Sequence

from model_training.datasets.frame import Frame
from model_training.splits.split import Split, SplitError

FOR_TRAINING = 150
"""The first so many names may train and validate; the others are only ever scored."""

_VALIDATION_EVERY = 6


def add_negatives(split: Split, negatives: Sequence[Frame]) -> Split:
    """Add 125 frames without a polyp to the training part and 25 to the validation part.

    Args:
        split: Any split; its name stays, its hash changes.
        negatives: Frames without a polyp, in any order.

    Raises:
        SplitError: There are fewer than `FOR_TRAINING`.
    """
    first = sorted(negatives, key=lambda frame: frame.name)[:FOR_TRAINING]
    if len(first) < FOR_TRAINING:
        raise SplitError(
            f"There are {len(first)} frames without a polyp; {FOR_TRAINING} are needed to train."
        )
    validation = first[::_VALIDATION_EVERY]
    train = [frame for frame in first if frame not in validation]
    return Split(split.name, (*split.train, *train), (*split.validation, *validation), split.test)
