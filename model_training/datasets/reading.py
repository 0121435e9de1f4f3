"""What a reader returns: frames, and faults that name their files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_training.datasets.frame import Frame

Verify = Literal["headers", "pixels"]
"""How deep a reader looks: `"headers"` reads sizes only, `"pixels"` decodes every file."""


class DatasetError(Exception):
    """Raised when a data set is not there, is faulty, or has a layout that nobody knows."""


class MissingDataset(DatasetError):  # noqa: N818
    """Raised when a data set is not there at all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one file.

    Attributes:
        path: The file.
        sentence: What is wrong with it, in one sentence.
    """

    path: Path
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found.

    Attributes:
        frames: The frames without a fault, sorted by name as strings.
        faults: One entry for each fault, sorted by path.
    """

    frames: tuple[Frame, ...]
    faults: tuple[Fault, ...]
