"""Cutting frames by sequence: what must stay together stays together."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from model_training.datasets.frame import Frame


def by_sequence(frames: Iterable[Frame]) -> dict[str, list[Frame]]:
    """Group frames by sequence; groups and frames keep their order."""
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[frame.sequence].append(frame)
    return dict(groups)


def hold_out(
    frames: Sequence[Frame], share: float, salt: str
) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
    """Cut whole sequences off, by the order of their hashes, data set by data set.

    The order of the frames, other data sets and random generators have no influence on the cut.

    Args:
        frames: Frames of one or several data sets.
        share: Share of each data set's frames to cut off, in (0, 1); it comes as close to that as
            whole sequences allow.
        salt: Names the cut; another salt gives another one.

    Returns:
        The frames that remain and those cut off, both in the order given.
    """
    chosen: set[str] = set()
    datasets = {frame.dataset for frame in frames}
    for dataset in sorted(datasets):
        groups = by_sequence(frame for frame in frames if frame.dataset == dataset)
        wanted = share * sum(len(group) for group in groups.values())
        taken = 0
        for sequence in sorted(groups, key=lambda sequence: _rank(sequence, salt)):
            size = len(groups[sequence])
            if abs(taken + size - wanted) < abs(taken - wanted):
                chosen.add(sequence)
                taken += size
    return (
        tuple(frame for frame in frames if frame.sequence not in chosen),
        tuple(frame for frame in frames if frame.sequence in chosen),
    )


def _rank(sequence: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{sequence}".encode()).hexdigest()
