"""Where a bundle is weak: its scores by the size of the polyp, and by sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_training.evaluation.scoring import FrameScore

QUARTERS = ("smallest", "second", "third", "largest")


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the frames of a row.

    Attributes:
        name: What they have in common.
        frames: How many they are.
        dice: Their mean Dice.
        recall: Their mean recall.
    """

    name: str
    frames: int
    dice: float
    recall: float


def quarters(scores: Sequence[FrameScore]) -> list[list[FrameScore]]:
    """Sort frames by their polyp's share of the frame and cut them into four, smallest first.

    Quarters differ by one frame at most; with fewer than four frames some are empty.
    """
    ordered = sorted(scores, key=polyp_share)
    return [
        [ordered[place] for place in part] for part in np.array_split(np.arange(len(ordered)), 4)
    ]


def polyp_share(score: FrameScore) -> float:
    """Return the share of the frame's pixels that is polyp."""
    return score.mask.truth / (score.height * score.width)


def by_area(scores: Sequence[FrameScore]) -> list[Group]:
    """Score each quarter of the frames, by polyp area; the name says up to which area."""
    return [
        _group(f"{name} quarter, up to {polyp_share(part[-1]):.1%}", part)
        for name, part in zip(QUARTERS, quarters(scores), strict=True)
        if part
    ]


def by_sequence(scores: Sequence[FrameScore]) -> list[Group]:
    """Score each sequence of at least two frames, the worst first."""
    members: dict[str, list[FrameScore]] = {}
    for score in scores:
        members.setdefault(score.sequence, []).append(score)
    groups = [_group(name, part) for name, part in members.items() if len(part) > 1]
    return sorted(groups, key=lambda group: (group.dice, group.name))


def _group(name: str, scores: Sequence[FrameScore]) -> Group:
    return Group(
        name,
        len(scores),
        float(np.mean([score.mask.dice for score in scores])),
        float(np.mean([score.mask.recall for score in scores])),
    )
