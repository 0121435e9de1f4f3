"""A split: which frames train, which choose, which test."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from model_training.datasets.frame import Frame

Role = Literal["train", "validation", "test"]
ROLES: tuple[Role, ...] = get_args(Role)

FULL = "-full"
"""What the name of a split ends with whose validation frames train as well."""


class SplitError(Exception):
    """Raised when the frames at hand are not those that a split is defined on."""


@dataclass(frozen=True)
class Split:
    """Three disjoint sets of frames under a name.

    Attributes:
        name: Such as `"tutorial"` or `"sequence-1"`.
        train: Frames whose pixels the optimizer sees.
        validation: Frames that choose schedules, checkpoints and thresholds.
        test: Frames that are only ever scored.
    """

    name: str
    train: tuple[Frame, ...]
    validation: tuple[Frame, ...]
    test: tuple[Frame, ...]

    def roles(self) -> Iterator[tuple[Role, tuple[Frame, ...]]]:
        """Yield each role and its frames."""
        yield "train", self.train
        yield "validation", self.validation
        yield "test", self.test

    def limit(self, count: int) -> "Split":
        """Keep the first `count` frames of each role: enough for a smoke test."""
        parts = {role: frames[:count] for role, frames in self.roles()}
        full = self.name.endswith(FULL)
        name = f"{self.name.removesuffix(FULL)}-limit-{count}{FULL if full else ''}"
        return Split(name, **parts)

    def full(self) -> "Split":
        """Train on the validation frames as well, once they have chosen all there is to choose."""
        return Split(f"{self.name}{FULL}", (*self.train, *self.validation), (), self.test)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over every role and frame key, in order; the paths do not count."""
        lines = [f"{role} {frame.key}\n" for role, frames in self.roles() for frame in frames]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
