"""Which frames a bundle may be scored on, and under what name the figures go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.inference import Manifest
from model_training.datasets import (
    DatasetError,
    Frame,
    MissingDataset,
    read_dataset,
    require_sound,
)
from model_training.splits import FULL, SPLITS, read_split
from model_training.splits.negatives import FOR_TRAINING

NEGATIVES = "negatives"
PROTOCOLS = (*SPLITS, NEGATIVES)
TUTORIAL_BATCH = 8
NAMED = 3


class ProtocolError(Exception):
    """A protocol cannot be scored; the message is one line."""


class SeenFrames(ProtocolError):  # noqa: N818
    """The bundle's manifest lists frames of a protocol as training or validation data."""


@dataclass(frozen=True, slots=True)
class Row:
    """Frames that are scored together: one column of the results.

    Attributes:
        name: Of the protocol, with the data set where it has several: `pranet/kvasir-seg`.
        frames: In the order of the split.
        polyps: Whether the frames show polyps; if not, only false alarms are counted.
        batch: Adds the tutorial's own figures, over batches of this many frames.
    """

    name: str
    frames: tuple[Frame, ...]
    polyps: bool = True
    batch: int | None = None


def default_protocols(manifest: Manifest) -> tuple[str, ...]:
    """Name the protocols that fit the split which a bundle was trained on."""
    split = manifest.training.split.removesuffix(FULL)
    return tuple(name for name in PROTOCOLS if name in (split, NEGATIVES))


def read_rows(protocol: str, data: Path) -> tuple[Row, ...]:
    """Read the test frames of a protocol.

    Args:
        protocol: One of `PROTOCOLS`.
        data: Folder with `cvc_clinicdb/`, `kvasir_seg/` and `negatives/`.

    Returns:
        One row for each data set of the protocol, sorted by name.

    Raises:
        ProtocolError: There is no such protocol, or too few frames.
        DatasetError: The data is not there, or a file of it is faulty.
        SplitError: Frames of the split are missing.
    """
    if protocol not in PROTOCOLS:
        raise ProtocolError(f"Protocol '{protocol}' is unknown: expected {', '.join(PROTOCOLS)}.")
    if protocol == NEGATIVES:
        reading = read_dataset("negatives", data, verify="headers")
        if reading.faults:
            raise DatasetError(str(reading.faults[0]))
        frames = reading.frames
        if len(frames) <= FOR_TRAINING:
            raise ProtocolError(
                f"Protocol 'negatives' found {len(frames)} frames in {data}: expected "
                f"more than the {FOR_TRAINING} that training may use."
            )
        require_sound(frames[FOR_TRAINING:])
        return (Row(protocol, frames[FOR_TRAINING:], polyps=False),)
    test = read_split(protocol, data, verify="headers").test
    require_sound(test)
    batch = TUTORIAL_BATCH if protocol == "tutorial" else None
    datasets = sorted({frame.dataset for frame in test})
    return tuple(
        Row(
            name=protocol if len(datasets) == 1 else f"{protocol}/{dataset}",
            frames=tuple(frame for frame in test if frame.dataset == dataset),
            batch=batch,
        )
        for dataset in datasets
    )


def choose_rows(
    manifest: Manifest, data: Path, protocols: Sequence[str] = ()
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Read the rows to score and make sure that the bundle may be scored on them.

    Args:
        manifest: Of the bundle.
        data: Folder of the data sets.
        protocols: What the user asks for; none means what fits the bundle.

    Returns:
        The rows, and a sentence for each default protocol whose data is not there.

    Raises:
        SeenFrames: The manifest lists a frame as training or validation data.
        ProtocolError: A protocol that was asked for is unknown or has too few frames, or nothing
            is left to score.
        DatasetError: The data of a protocol that was asked for is not there, or a file is faulty.
        SplitError: Frames of a split are missing.
    """
    rows: list[Row] = []
    missing: list[str] = []
    for protocol in dict.fromkeys(protocols or default_protocols(manifest)):
        try:
            rows += read_rows(protocol, data)
        except (MissingDataset, ProtocolError) as error:
            if protocols:
                raise
            missing.append(f"Protocol '{protocol}' is left out: {error}")
    for row in rows:
        refuse_seen(manifest, row)
    if not rows:
        raise ProtocolError(" ".join(missing))
    return tuple(rows), tuple(missing)


def refuse_seen(manifest: Manifest, row: Row) -> None:
    """Make sure that a bundle has seen none of the frames.

    Raises:
        SeenFrames: The manifest lists one as training or validation data.
    """
    role = dict.fromkeys(manifest.training.validation_frames, "validation")
    role |= dict.fromkeys(manifest.training.train_frames, "training")
    seen = [frame.key for frame in row.frames if frame.key in role]
    if seen:
        named = ", ".join(f"{key} ({role[key]})" for key in seen[:NAMED])
        more = f" and {len(seen) - NAMED} more" if len(seen) > NAMED else ""
        raise SeenFrames(
            f"Bundle {manifest.name}/{manifest.version} has seen {len(seen)} of the "
            f"{len(row.frames)} frames of '{row.name}': {named}{more}. "
            f"It was trained on split '{manifest.training.split}'; a score on them says nothing."
        )
