"""What is kept of an evaluation for good: figures, and masks as RLE. It holds no image."""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from model_training.card import MODEL_TIME, OPERATING_POINT, VALIDATION
from model_training.evaluation.intervals import Interval
from model_training.evaluation.predictions import from_lines, to_lines
from model_training.evaluation.results import Evaluation
from model_training.evaluation.scoring import FrameScore
from model_training.splits import FULL

RECORD = "record.json"


class RecordError(Exception):
    """A record cannot be used; the message is one line."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FiguresRecord(_Model):
    """Named figures.

    Attributes:
        figures: By name, see docs/evaluation.md.
        intervals: By name.
    """

    figures: dict[str, float]
    intervals: dict[str, Interval]


class RowRecord(FiguresRecord):
    """One row of an evaluation.

    Attributes:
        frames: How many were scored.
        sequences: How many sequences they are from.
        robustness: By perturbation; empty when it was not measured.
    """

    frames: int
    sequences: int
    robustness: dict[str, FiguresRecord] = {}


class Record(_Model):
    """An evaluation of a bundle.

    Attributes:
        bundle: Name and version.
        weights_sha256: Of its ONNX model; figures that are recorded in a manifest do not change it.
        recipe: Of the training run.
        seed: Likewise.
        split: Likewise.
        commit: Likewise.
        settings_sha256: Of the settings of the training run, but for how many epochs it needed and
            whose operating point it took over; None in records of before there was one.
        split_hash: Likewise, of the split's frames.
        parameters: Number of weights.
        gflop: Arithmetic of one image.
        input: Height and width.
        temperature: Of the manifest.
        threshold: Likewise.
        min_area: Likewise.
        engine: What ran it.
        rows: By name.
        measured: What the manifest says of validation and of the model's time.
    """

    bundle: str
    weights_sha256: str
    recipe: str
    seed: int
    split: str
    commit: str
    settings_sha256: str | None = None
    split_hash: str | None = None
    parameters: int
    gflop: float
    input: tuple[int, int]
    temperature: float
    threshold: float
    min_area: int
    engine: str
    rows: dict[str, RowRecord]
    measured: dict[str, dict[str, float]]

    @property
    def full(self) -> bool:
        """Whether the frames that the split holds out trained as well."""
        return self.split.endswith(FULL)

    @property
    def protocol(self) -> str:
        """The split whose test frames are those of this one."""
        return self.split.removesuffix(FULL)


@dataclass(frozen=True, slots=True)
class Kept:
    """A record and the folder that it is in.

    Attributes:
        folder: Holds `record.json` and the scores of each row.
        record: What it says.
    """

    folder: Path
    record: Record

    def scores(self, row: str) -> tuple[FrameScore, ...]:
        """Read the scores of a row.

        Raises:
            RecordError: They are not there, or damaged.
        """
        if row not in self.record.rows:
            raise RecordError(f"{self.folder} has no row '{row}'.")
        path = self.folder / _file(row)
        try:
            scores = from_lines(gzip.decompress(path.read_bytes()))
        except (OSError, EOFError, ValueError) as error:
            raise RecordError(f"{path} cannot be read: {str(error).splitlines()[0]}.") from error
        if len(scores) != self.record.rows[row].frames:
            raise RecordError(
                f"{path} holds {len(scores)} frames, expected {self.record.rows[row].frames}."
            )
        return scores


def keep(folder: Path, evaluation: Evaluation) -> Kept:
    """Write a record; one that is in the folder is replaced.

    Args:
        folder: Made if need be.
        evaluation: What was found.
    """
    manifest = evaluation.bundle.manifest
    training = manifest.training
    rows = {
        result.row.name: RowRecord(
            frames=len(result.scores),
            sequences=len({score.sequence for score in result.scores}),
            figures=result.figures.values,
            intervals=result.figures.intervals,
            robustness={
                name: FiguresRecord(figures=figures.values, intervals=figures.intervals)
                for name, figures in result.robustness.items()
            },
        )
        for result in evaluation.results
    }
    record = Record(
        bundle=f"{manifest.name}/{manifest.version}",
        weights_sha256=manifest.weights_sha256,
        recipe=training.recipe,
        seed=training.seed,
        split=training.split,
        commit=training.commit,
        settings_sha256=_hash(training.settings),
        split_hash=training.split_hash,
        parameters=manifest.parameters,
        gflop=manifest.gflop,
        input=(manifest.input_height, manifest.input_width),
        temperature=manifest.temperature,
        threshold=manifest.threshold,
        min_area=manifest.min_area,
        engine=f"{evaluation.engine.name} on {evaluation.engine.device}",
        rows=rows,
        measured={
            name: manifest.metrics[name]
            for name in (VALIDATION, MODEL_TIME)
            if name in manifest.metrics
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.jsonl.gz"):
        stale.unlink()
    for result in evaluation.results:
        # Without a time stamp: the same scores are the same file.
        packed = gzip.compress(to_lines(result.scores), mtime=0)
        (folder / _file(result.row.name)).write_bytes(packed)
    (folder / RECORD).write_text(record.model_dump_json(indent=2) + "\n")
    return Kept(folder, record)


def read_record(folder: Path) -> Kept:
    """Read what `keep` wrote.

    Raises:
        RecordError: There is none, or it is damaged.
    """
    path = folder / RECORD
    try:
        return Kept(folder, Record.model_validate_json(path.read_bytes()))
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RecordError(f"{path} is no record: {str(error).splitlines()[0]}.") from error


def read_records(root: Path) -> tuple[Kept, ...]:
    """Read the records in the folders of a folder, sorted by name.

    Raises:
        RecordError: The folder is not there, or a record is damaged.
    """
    if not root.is_dir():
        raise RecordError(f"Folder '{root}' does not exist.")
    return tuple(read_record(path.parent) for path in sorted(root.glob(f"*/{RECORD}")))


def require_equal(kept: Sequence[Kept], names: Sequence[str], what: str) -> None:
    """Make sure that models were made alike.

    Args:
        kept: Their records.
        names: Of attributes; those that older records lack are compared among the others.
        what: How the message begins.

    Raises:
        RecordError: They differ in one of them.
    """
    for name in names:
        values = {str(value) for one in kept if (value := getattr(one.record, name)) is not None}
        if len(values) > 1:
            raise RecordError(f"{what} differ in {name}: {', '.join(sorted(values))}.")


def _hash(settings: Mapping[str, object]) -> str:
    made = {
        name: value
        for name, value in settings.items()
        if name not in ("epochs_run", OPERATING_POINT)
    }
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def _file(row: str) -> str:
    return f"{row.replace('/', '-')}.jsonl.gz"
