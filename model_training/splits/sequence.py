"""Five folds of CVC-ClinicDB by video sequence: the honest figure for a new patient.

No sequence and no pair of near duplicates has frames in two roles of a fold, and every frame of
CVC-ClinicDB is tested in exactly one fold by a network that never saw its video.
"""

from collections.abc import Sequence

from model_training.datasets.frame import Frame
from model_training.splits.grouping import by_sequence, hold_out
from model_training.splits.split import Split, SplitError

FOLDS = 5
VALIDATION_SHARE = 0.1


def sequence(clinicdb: Sequence[Frame], kvasir: Sequence[Frame]) -> tuple[Split, ...]:
    """Test on a fifth of CVC-ClinicDB at a time; train on the rest and on Kvasir-SEG.

    Args:
        clinicdb: Frames of CVC-ClinicDB.
        kvasir: Frames of Kvasir-SEG; they are never tested.

    Returns:
        `sequence-0` to `sequence-4`. Their training frames of Kvasir-SEG are the same.

    Raises:
        SplitError: If there are fewer sequences than folds.
    """
    folds = balance(sorted(clinicdb, key=lambda frame: frame.key), FOLDS)
    kvasir = sorted(kvasir, key=lambda frame: frame.key)
    splits = []
    for number, test in enumerate(folds):
        rest = [frame for fold in folds if fold is not test for frame in fold]
        rest = sorted(rest, key=lambda frame: frame.key)
        train, validation = hold_out_as_folds([*rest, *kvasir])
        splits.append(Split(f"sequence-{number}", train, validation, test))
    return tuple(splits)


def hold_out_as_folds(
    frames: Sequence[Frame],
) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Cut the validation part off, the same of a data set whatever other one is beside it.

    Args:
        frames: Frames of one or both data sets, in the order that they shall keep.

    Returns:
        The frames that train and those that validate.
    """
    return hold_out(frames, VALIDATION_SHARE, salt="sequence")


def balance(frames: Sequence[Frame], folds: int) -> tuple[tuple[Frame, ...], ...]:
    """Deal whole sequences out, the longest first, each to the fold with the fewest frames.

    Args:
        frames: Frames to deal out.
        folds: Number of folds.

    Returns:
        The folds; frames keep their order.

    Raises:
        SplitError: If there are fewer sequences than folds.
    """
    groups = by_sequence(frames)
    if len(groups) < folds:
        raise SplitError(f"{folds} folds need {folds} sequences; there are {len(groups)}.")
    dealt: list[set[str]] = [set() for _ in range(folds)]
    sizes = [0] * folds
    for name, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        lightest = sizes.index(min(sizes))
        dealt[lightest].add(name)
        sizes[lightest] += len(group)
    return tuple(tuple(frame for frame in frames if frame.sequence in names) for names in dealt)
