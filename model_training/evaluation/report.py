"""Writes the report folder: figures, tables, pictures, and one page that shows them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from model_training.card import MODEL_TIME, model_time
from model_training.evaluation.charts import (
    dice_by_area,
    dice_histogram,
    learning_curves,
    reliability,
)
from model_training.evaluation.groups import by_area, by_sequence
from model_training.evaluation.history import History
from model_training.evaluation.panels import (
    comparison_panel,
    false_alarm_panel,
    panel_page,
    sample_panel,
)
from model_training.evaluation.predictions import write_predictions
from model_training.evaluation.results import (
    Evaluation,
    Result,
    metrics,
    result_lines,
    robustness_lines,
    write_csv,
)
from model_training.evaluation.scoring import FrameScore

SAMPLES = 12
SHOWN = 10

WARNING = """\
> **Do not publish this folder.** It shows clinical images and what their annotators drew; the terms
> of the data sets allow that for research and education only. The figures may be quoted.
"""
NOTICE = "Research use only. Not a medical device."


def write_report(out: Path, evaluation: Evaluation, history: History | None = None) -> Path:
    """Write everything about an evaluation into a folder.

    Args:
        out: The folder; it is made if need be, and files of an earlier report are replaced.
        evaluation: What was found.
        history: Of the training run, for the learning curves.

    Returns:
        The page, `report.md`.
    """
    out.mkdir(parents=True, exist_ok=True)
    record = json.dumps(metrics(evaluation), indent=2) + "\n"
    (out / "metrics.json").write_text(record, encoding="utf-8")
    sections = [
        _head(evaluation),
        _figures(evaluation),
        *(_section(out, result) for result in evaluation.results),
        _learning_curves(out, history),
    ]
    page = out / "report.md"
    page.write_text("\n".join(sections), encoding="utf-8")
    return page


def rank(scores: Sequence[FrameScore], count: int) -> dict[str, list[FrameScore]]:
    """Pick the best, the median and the worst frames by Dice.

    Args:
        scores: At least one.
        count: Frames of each kind, fewer where there are not enough to keep the kinds apart.

    Returns:
        `best`, best first; `median`, in descending order; `worst`, worst first.
    """
    ordered = sorted(scores, key=lambda score: (-score.mask.dice, score.key))
    count = min(count, max(1, len(ordered) // 3))
    middle = (len(ordered) - count) // 2
    return {
        "best": ordered[:count],
        "median": ordered[middle : middle + count],
        "worst": ordered[::-1][:count],
    }


def _polyp_pictures(result: Result) -> Iterator[tuple[str, str, Figure]]:
    """Yield file name, caption and picture for frames with polyps, one at a time."""
    frames, scores = result.row.frames, result.scores
    yield "dice_histogram.png", "Dice of the frames", dice_histogram(scores)
    yield "dice_by_area.png", "Dice against polyp area", dice_by_area(scores)
    yield "reliability.png", "Calibration near the polyps", reliability(scores)
    samples = [sample_panel(frame) for frame in frames[:: max(1, len(frames) // SAMPLES)][:SAMPLES]]
    page = panel_page(samples, ("frame", "ground truth"), columns=3)
    yield "samples.png", f"{len(samples)} frames and their masks", page
    by_key = {frame.key: frame for frame in frames}
    for kind, chosen in rank(scores, SHOWN).items():
        panels = [comparison_panel(by_key[score.key], score) for score in chosen]
        page = panel_page(panels, ("input", "ground truth", "prediction"), legend=True)
        yield f"{kind}.png", f"The {len(chosen)} {kind} frames", page


def _negative_pictures(result: Result) -> Iterator[tuple[str, str, Figure]]:
    """Yield the frames without a polyp on which most was marked."""
    by_key = {frame.key: frame for frame in result.row.frames}
    marked = [score for score in result.scores if score.mask.predicted]
    marked.sort(key=lambda score: -score.mask.predicted / (score.height * score.width))
    if marked:
        panels = [false_alarm_panel(by_key[score.key], score) for score in marked[:SHOWN]]
        page = panel_page(panels, ("input", "prediction"), columns=3)
        yield "worst.png", f"The {len(panels)} frames on which most was marked", page


def _head(evaluation: Evaluation) -> str:
    manifest = evaluation.bundle.manifest
    training = manifest.training
    facts = {
        "bundle": f"{manifest.name}/{manifest.version}, manifest SHA-256 "
        f"`{evaluation.bundle.sha256}`",
        "network": f"{manifest.parameters:,} parameters, {manifest.gflop:.2f} GFLOP, "
        f"input {manifest.input_width}x{manifest.input_height}",
        "training": f"recipe {training.recipe}, split {training.split}, seed {training.seed}, "
        f"commit `{training.commit}`",
        "engine": evaluation.reason,
        **(
            {"time": model_time(manifest.metrics[MODEL_TIME])}
            if MODEL_TIME in manifest.metrics
            else {}
        ),
        "command": f"`{evaluation.command}`",
    }
    lines = [f"# Evaluation of {manifest.name}/{manifest.version}", "", WARNING, NOTICE, ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join([*lines, ""])


def _figures(evaluation: Evaluation) -> str:
    bootstrap, threshold = evaluation.bootstrap, evaluation.bundle.manifest.threshold
    note = (
        "At source size and threshold 0.5 where the name says nothing else; the operating "
        f"threshold is {threshold:g}. In brackets: {bootstrap.level:.0%} intervals, from "
        f"{bootstrap.resamples:,} bootstrap resamples of whole sequences; Wilson's for false "
        "alarms. Machine readable: [metrics.json](metrics.json)."
    )
    return "\n".join(["## Figures", "", *_table(result_lines(evaluation.results)), note, ""])


def _section(out: Path, result: Result) -> str:
    name = result.row.name
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "per_image.csv", result.scores)
    write_predictions(folder / "predictions.jsonl", result.scores)
    lines = [
        f"## {name}",
        "",
        f"Each frame: [per_image.csv]({name}/per_image.csv).",
        f"Masks as RLE: [predictions.jsonl]({name}/predictions.jsonl).",
        "",
    ]
    if not any(score.mask.predicted for score in result.scores):
        lines += ["No pixel of any frame was marked.", ""]
    lines += _groups(result)
    pictures = _polyp_pictures if result.row.polyps else _negative_pictures
    for file, caption, figure in pictures(result):
        figure.savefig(folder / file)
        lines += [f"### {caption}", "", f"![{caption}]({name}/{file})", ""]
    return "\n".join(lines)


def _groups(result: Result) -> Iterator[str]:
    """Yield the lines of the tables of a row: by polyp area, by sequence, under perturbations."""
    if result.row.polyps:
        for caption, groups in (
            ("By polyp area", by_area(result.scores)),
            ("By sequence", by_sequence(result.scores)),
        ):
            if groups:
                rows = [(g.name, str(g.frames), f"{g.dice:.4f}", f"{g.recall:.4f}") for g in groups]
                yield from (f"### {caption}", "")
                yield from _table((("", "frames", "Dice", "recall"), *rows))
    if result.robustness:
        yield from ("### Perturbed frames", "")
        yield from _table(robustness_lines([result]))


def _table(lines: Iterable[Sequence[str]]) -> Iterator[str]:
    heading, *rest = lines
    for line in (heading, ("---",) * len(heading), *rest):
        yield f"| {' | '.join(line)} |"
    yield ""


def _learning_curves(out: Path, history: History | None) -> str:
    text = "Not drawn: `--run` names the folder of the training run."
    if history is not None:
        learning_curves(history).savefig(out / "learning_curves.png")
        text = "![Learning curves](learning_curves.png)"
    return f"## Learning curves\n\n{text}\n"
