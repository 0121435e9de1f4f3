"""The tables of docs/accuracy.md, from kept records and published figures."""

import csv
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from itertools import groupby

import numpy as np

from model_training.card import MODEL_TIME, VALIDATION
from model_training.evaluation.calibration import expected_calibration_error
from model_training.evaluation.folds import is_fold, pool_folds
from model_training.evaluation.groups import by_area, by_sequence
from model_training.evaluation.intervals import Bootstrap, Interval
from model_training.evaluation.page import markdown
from model_training.evaluation.record import FiguresRecord, Kept, RecordError
from model_training.evaluation.results import LABELS, Result
from model_training.evaluation.seeds import spread

KVASIR, CLINICDB, NEGATIVES = "pranet/kvasir-seg", "pranet/cvc-clinicdb", "negatives"
PUBLISHED_TUTORIAL = ("published tutorial", "", "", "", "0.7656", "0.7618", "0.8595")
FOLD_FIGURES = ("dice", "operating_dice", "iou", "recall", "precision", "pooled_dice", "ece")
HOSPITAL_FIGURES = ("dice", "iou", "recall", "precision", "pooled_dice", "missed_rate", "ece")
SEED_FIGURES = (
    "dice",
    "operating_dice",
    "threshold_mean_dice",
    "iou",
    "missed_rate",
    "ece",
    "false_alarm_rate",
)

Lines = Iterator[tuple[str, ...]]


def tables(records: Sequence[Kept], bootstrap: Bootstrap) -> dict[str, str]:
    """Write all tables.

    Args:
        records: Of any bundles; what each was trained on decides in which tables it stands.
        bootstrap: Settings of the intervals over pooled folds.

    Returns:
        Markdown by name.
    """
    pooled = dict(_pooled(records, bootstrap))
    complete = {name: found for name, found in pooled.items() if isinstance(found, Result)}
    return {
        "published": markdown(
            ("model", "parameters (M)", "GFLOP", "Kvasir-100", "ClinicDB-62",
             "Kvasir-100 at 0.5", "ClinicDB-62 at 0.5", "source"),
            _published(records),
        ),
        "seeds": markdown(("recipe", "row", "figure", "by seed", "mean ± sd"), _seeds(records)),
        "folds": markdown(("recipe", *(LABELS[name] for name in FOLD_FIGURES)), _folds(pooled)),
        "hospital": markdown(
            ("model", *(LABELS[name] for name in HOSPITAL_FIGURES)), _hospital(records)
        ),
        "tutorial": markdown(
            ("model", "Dice", "pooled recall", "pooled precision", "tutorial's Dice",
             "tutorial's recall", "tutorial's precision"),
            _tutorial(records),
        ),
        "negatives": markdown(
            ("model", "frames", "false alarms at 0.5", "at the operating threshold"),
            _negatives(records),
        ),
        "calibration": markdown(
            ("model", "temperature", "operating threshold", "on validation, before",
             "on validation, after", "on test frames"),
            _calibration(records),
        ),
        "time": markdown(
            ("model", "ms", "tutorial's SavedModel, ms", "ratio", "cores"), _time(records)
        ),
        "robustness": markdown(
            ("model", "row", "perturbation", "figure", "change"), _robustness(records)
        ),
        "area": markdown(
            ("model", "row", "polyps", "frames", "Dice", "recall"), _area(records, complete)
        ),
        "sequences": markdown(
            ("recipe", "sequence", "frames", "Dice", "recall"), _sequences(complete)
        ),
        "records": markdown(
            ("record", "recipe", "split", "seed", "input", "parameters", "GFLOP", "commit"),
            _records(records),
        ),
    }  # fmt: skip


def _name(kept: Kept) -> str:
    return f"`{kept.record.recipe}` on {kept.record.split}, seed {kept.record.seed}"


def _recipe(kept: Kept) -> str:
    return f"`{kept.record.recipe}`{' on all frames' if kept.record.full else ''}"


def _by_recipe(
    records: Sequence[Kept], wanted: Callable[[Kept], bool]
) -> Iterator[tuple[str, list[Kept]]]:
    chosen = sorted(
        (kept for kept in records if wanted(kept)),
        key=lambda kept: (_recipe(kept), kept.record.split, kept.record.seed),
    )
    for recipe, group in groupby(chosen, key=_recipe):
        yield recipe, list(group)


def _on(split: str) -> Callable[[Kept], bool]:
    return lambda kept: kept.record.protocol == split


def _value(figures: FiguresRecord | None, name: str) -> str:
    if figures is None or name not in figures.figures:
        return ""
    return _with_interval(figures.figures[name], figures.intervals.get(name))


def _with_interval(value: float, ends: Interval | None) -> str:
    return f"{value:.4f} ({ends[0]:.3f} to {ends[1]:.3f})" if ends else f"{value:.4f}"


def _published(records: Sequence[Kept]) -> Lines:
    for recipe, runs in _by_recipe(records, _on("pranet")):
        record = runs[0].record
        cells = []
        for figure in ("threshold_mean_dice", "dice"):
            for row in (KVASIR, CLINICDB):
                values = [
                    run.record.rows[row].figures[figure] for run in runs if row in run.record.rows
                ]
                cells.append(f"{np.mean(values):.3f}" if values else "")
        source = f"mean of {len(runs)} seeds" if len(runs) > 1 else f"seed {record.seed}"
        yield (
            f"**{recipe}**",
            f"{record.parameters / 1e6:.2f}",
            f"{record.gflop:.2f}",
            *cells,
            source,
        )
    text = files("model_training.evaluation").joinpath("published.csv").read_text()
    for line in csv.DictReader(text.splitlines()):
        yield (
            line["model"],
            line["parameters"],
            "",
            line["kvasir"],
            line["clinicdb"],
            "",
            "",
            line["source"],
        )


def _seeds(records: Sequence[Kept]) -> Lines:
    for recipe, runs in _by_recipe(records, _on("pranet")):
        spreads = spread(runs) if len(runs) > 1 else {}
        for row in (KVASIR, CLINICDB, NEGATIVES):
            for name in SEED_FIGURES:
                values = [
                    f"{run.record.seed}: {run.record.rows[row].figures[name]:.4f}"
                    for run in runs
                    if row in run.record.rows and name in run.record.rows[row].figures
                ]
                if values:
                    found = spreads.get(row, {}).get(name)
                    yield (
                        recipe,
                        row,
                        LABELS[name],
                        ", ".join(values),
                        str(found or "one seed"),
                    )


def _pooled(
    records: Sequence[Kept], bootstrap: Bootstrap
) -> Iterator[tuple[str, Result | RecordError]]:
    for recipe, folds in _by_recipe(records, is_fold):
        try:
            yield recipe, pool_folds(folds, bootstrap)
        except RecordError as error:
            yield recipe, error


def _folds(pooled: dict[str, Result | RecordError]) -> Lines:
    for recipe, found in pooled.items():
        if isinstance(found, RecordError):
            yield recipe, str(found), *([""] * (len(FOLD_FIGURES) - 1))
        else:
            values, intervals = found.figures.values, found.figures.intervals
            yield (
                recipe,
                *(_with_interval(values[n], intervals.get(n)) for n in FOLD_FIGURES),
            )


def _hospital(records: Sequence[Kept]) -> Lines:
    for _, runs in _by_recipe(records, _on("kvasir")):
        for run in runs:
            row = run.record.rows.get("kvasir")
            yield _name(run), *(_value(row, name) for name in HOSPITAL_FIGURES)


def _tutorial(records: Sequence[Kept]) -> Lines:
    for _, runs in _by_recipe(records, _on("tutorial")):
        for run in runs:
            row = run.record.rows.get("tutorial")
            names = ("dice", "pooled_recall", "pooled_precision", "tutorial_dice",
                     "tutorial_recall", "tutorial_precision")  # fmt: skip
            yield _name(run), *(_value(row, name) for name in names)
    yield PUBLISHED_TUTORIAL


def _negatives(records: Sequence[Kept]) -> Lines:
    for _, runs in _by_recipe(records, lambda kept: NEGATIVES in kept.record.rows):
        for run in runs:
            row = run.record.rows[NEGATIVES]
            rates = (
                _value(row, name) for name in ("false_alarm_rate", "operating_false_alarm_rate")
            )
            yield _name(run), str(row.frames), *rates


def _calibration(records: Sequence[Kept]) -> Lines:
    for _, runs in _by_recipe(records, lambda _: True):
        for run in runs:
            fitted = run.record.measured.get(VALIDATION, {})
            unfitted = "taken over" if run.record.full else "not fitted"
            before, after = (
                f"{fitted[name]:.4f}" if name in fitted else unfitted
                for name in ("ece_before", "ece")
            )
            bins = [
                score.calibration
                for row in run.record.rows
                if row != NEGATIVES
                for score in run.scores(row)
            ]
            error = expected_calibration_error(np.array(bins).sum(axis=0)) if bins else None
            yield (
                _name(run),
                f"{run.record.temperature:g}",
                f"{run.record.threshold:g}",
                before,
                after,
                "" if error is None else f"{error:.4f}",
            )


def _time(records: Sequence[Kept]) -> Lines:
    for _, runs in _by_recipe(records, lambda kept: MODEL_TIME in kept.record.measured):
        for run in runs:
            time = run.record.measured[MODEL_TIME]
            ratio = f"{time['ratio']:.3f} ({time['ratio_low']:.3f} to {time['ratio_high']:.3f})"
            yield (
                _name(run),
                f"{time['ms']:.1f}",
                f"{time['baseline_ms']:.1f}",
                ratio,
                f"{time['threads']:.0f}",
            )


def _robustness(records: Sequence[Kept]) -> Lines:
    for run in records:
        for row, scored in run.record.rows.items():
            for perturbation, found in scored.robustness.items():
                figure = "dice" if "dice" in found.figures else "false_alarm_rate"
                value = f"{LABELS[figure]} {_value(found, figure)}"
                yield _name(run), row, perturbation, value, _value(found, "change")


def _area(records: Sequence[Kept], pooled: dict[str, Result]) -> Lines:
    scored = [
        (_name(run), row, run.scores(row))
        for run in records
        for row, found in run.record.rows.items()
        if found.robustness and row != NEGATIVES
    ]
    scored += [(recipe, found.row.name, found.scores) for recipe, found in pooled.items()]
    for name, row, scores in scored:
        for group in by_area(scores):
            yield (
                name,
                row,
                group.name,
                str(group.frames),
                f"{group.dice:.3f}",
                f"{group.recall:.3f}",
            )


def _sequences(pooled: dict[str, Result]) -> Lines:
    for recipe, found in pooled.items():
        for group in by_sequence(found.scores):
            number = group.name.split("/")[-1]
            yield (
                recipe,
                number,
                str(group.frames),
                f"{group.dice:.3f}",
                f"{group.recall:.3f}",
            )


def _records(records: Sequence[Kept]) -> Lines:
    for run in records:
        record = run.record
        yield (
            f"`{run.folder.name}`",
            f"`{record.recipe}`",
            record.split,
            str(record.seed),
            f"{record.input[1]}x{record.input[0]}",
            f"{record.parameters:,}",
            f"{record.gflop:.2f}",
            f"`{record.commit[:12]}`",
        )
