"""How much of what a split holds out has been seen before, near enough."""

from collections.abc import Iterable
from dataclasses import dataclass

from model_training.datasets.frame import Frame
from model_training.splits.split import Role, Split

COMPARED: tuple[tuple[Role, tuple[Role, ...]], ...] = (
    ("validation", ("train",)),
    ("test", ("train",)),
    ("test", ("train", "validation")),
)
"""Which held-out role is compared with which others; validation frames choose the network, too."""


@dataclass(frozen=True, slots=True)
class Leakage:
    """The held-out frames of one role and data set, compared with frames of other roles.

    Attributes:
        split: Name of the split.
        role: `"validation"` or `"test"`.
        against: The roles that these frames are compared with.
        dataset: The data set of these frames.
        frames: How many there are.
        same_sequence: How many of them share a sequence, or a pair, with a frame of `against`.
        neighbour: How many of them have the frame before or after them, in the same video, in
            `against`. Only CVC-ClinicDB's names tell; elsewhere it is 0.
    """

    split: str
    role: Role
    against: tuple[Role, ...]
    dataset: str
    frames: int
    same_sequence: int
    neighbour: int


def leakage(split: Split) -> tuple[Leakage, ...]:
    """Count the held-out frames that have nearly been seen.

    Returns:
        A row for each of `COMPARED` and each data set in its held-out role.
    """
    roles = dict(split.roles())
    return tuple(
        _row(split.name, role, against, dataset, roles)
        for role, against in COMPARED
        for dataset in sorted({frame.dataset for frame in roles[role]})
    )


def _row(
    split: str,
    role: Role,
    against: tuple[Role, ...],
    dataset: str,
    roles: dict[Role, tuple[Frame, ...]],
) -> Leakage:
    seen = [frame for other in against for frame in roles[other]]
    sequences = {frame.sequence for frame in seen}
    places = {(frame.sequence, frame.name) for frame in seen}
    frames = [frame for frame in roles[role] if frame.dataset == dataset]
    return Leakage(
        split,
        role,
        against,
        dataset,
        frames=len(frames),
        same_sequence=sum(frame.sequence in sequences for frame in frames),
        neighbour=sum(not places.isdisjoint(_neighbours(frame)) for frame in frames),
    )


def _neighbours(frame: Frame) -> Iterable[tuple[str, str]]:
    if not frame.name.isdecimal():
        return ()
    number = int(frame.name)
    return ((frame.sequence, str(number - 1)), (frame.sequence, str(number + 1)))
