"""`polypseg evaluate`: from a bundle and data to a report folder."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.inference import BundleError, EngineError, SelectionError, load_bundle, select_engine
from app.inference.selection import EngineChoice
from model_training import publication
from model_training.card import MODEL_TIME, model_time
from model_training.datasets import DatasetError
from model_training.evaluation.history import HistoryError, read_history
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.protocols import ProtocolError, Row, choose_rows
from model_training.evaluation.record import keep as keep_record
from model_training.evaluation.results import (
    Evaluation,
    metrics,
    summarise,
)
from model_training.evaluation.robustness import perturbed_merit
from model_training.evaluation.robustness import robustness as compare
from model_training.evaluation.scoring import score_frame
from model_training.evaluation.shard_cost import read_shard_images
from model_training.evaluation.tables import results_table, robustness_table
from model_training.shards import ShardError
from model_training.splits import SplitError


def evaluate(
    model: Annotated[
        Path, typer.Option(help="Folder of the bundle; its highest version is scored.")
    ] = Path("models/polyp-unet"),
    data: Annotated[
        Path,
        typer.Option(
            envvar="POLYPSEG_DATA",
            help="Folder with cvc_clinicdb/, kvasir_seg/ and negatives/.",
        ),
    ] = Path("data"),
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="tutorial, pranet, sequence-0 to sequence-4, kvasir or negatives; may be "
            "repeated. A split with -full has the test frames of the one without.",
            show_default="those that fit the bundle's split",
        ),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the bundle's training run, for learning curves.")
    ] = None,
    shards: Annotated[
        Path | None,
        typer.Option(help="Shards of `polypseg prepare`, to learn what they cost in Dice."),
    ] = None,
    robustness: Annotated[
        bool,
        typer.Option(help="Score the frames also as compression, light and focus may spoil them."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Report folder.", show_default="reports/NAME-VERSION")
    ] = None,
    engine: Annotated[EngineChoice, typer.Option(help="What runs the model.")] = "auto",
    record: Annotated[
        bool, typer.Option(help="Write the figures into the bundle's manifest and model card.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for figures and masks without any image, for `polypseg pool`."),
    ] = None,
) -> None:
    """Score a bundle on frames that it has not seen, through the code that serves requests.

    Writes report.md, metrics.json, and for each protocol a CSV and masks as RLE.
    Refuses frames that the manifest lists as training or validation data.
    For example:

        polypseg evaluate --model models/tutorial-unet --protocol tutorial --data data
    """
    try:
        from model_training.evaluation.report import write_report
    except ModuleNotFoundError as error:
        _fail(_missing(error))
    console = Console()
    try:
        bundle = load_bundle(model)
        history = read_history(run, bundle.manifest.training) if run else None
        rows, missing = choose_rows(bundle.manifest, data, protocol or ())
        images = read_shard_images(shards) if shards else {}
        chosen = select_engine(bundle, engine)
    except ModuleNotFoundError as error:
        _fail(_missing(error))
    except (
        BundleError,
        DatasetError,
        HistoryError,
        ProtocolError,
        SelectionError,
        ShardError,
        SplitError,
    ) as error:
        _fail(str(error))
    for sentence in (*missing, *(_lacking(rows, images) if shards else ())):
        console.print(sentence, highlight=False, soft_wrap=True)
    out = out or Path("reports") / f"{bundle.manifest.name}-{bundle.manifest.version}"
    for folder in (out, *([keep] if keep else [])):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _fail(f"{folder} cannot be made a folder: {error.strerror}.")
    console.print(f"engine: {chosen.reason}", highlight=False, soft_wrap=True)

    bootstrap = Bootstrap()
    results = []
    try:
        with _progress(console) as progress:
            for row in rows:
                scores = tuple(
                    score_frame(chosen.engine, bundle.manifest, frame, images.get(frame.key))
                    for frame in progress.track(row.frames, description=row.name)
                )
                result = summarise(row, scores, bootstrap)
                if robustness:
                    merits = [
                        perturbed_merit(chosen.engine, bundle.manifest, frame)
                        for frame in progress.track(row.frames, description=f"{row.name}, spoilt")
                    ]
                    result = replace(
                        result, robustness=compare(scores, merits, bootstrap, polyps=row.polyps)
                    )
                results.append(result)
    except (DatasetError, EngineError) as error:
        _fail(str(error))
    finally:
        chosen.engine.close()
    evaluation = Evaluation(
        bundle=bundle,
        engine=chosen.engine,
        reason=chosen.reason,
        command=_command_line(model, data, protocol, run, shards, robustness, out, engine),
        bootstrap=bootstrap,
        results=tuple(results),
    )
    page = write_report(out, evaluation, history)
    console.print(results_table(results))
    if robustness:
        console.print(robustness_table(results))
    if MODEL_TIME in bundle.manifest.metrics:
        console.print(model_time(bundle.manifest.metrics[MODEL_TIME]), soft_wrap=True)
    if record:
        recorded = publication.record(bundle, publication.evaluated(metrics(evaluation)))
        console.print(f"recorded in {recorded.path}, sha256 {recorded.sha256}", soft_wrap=True)
    if keep:
        kept = keep_record(keep, evaluation)
        console.print(f"kept in {kept.folder}: figures and masks, no image", soft_wrap=True)
    console.print(f"report: {page} (clinical images: not to be published)", soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _command_line(
    model: Path,
    data: Path,
    protocols: Sequence[str] | None,
    run: Path | None,
    shards: Path | None,
    robustness: bool,
    out: Path,
    engine: str,
) -> str:
    words = ["polypseg", "evaluate", "--model", str(model), "--data", str(data)]
    for protocol in protocols or ():
        words += ["--protocol", protocol]
    if run:
        words += ["--run", str(run)]
    if shards:
        words += ["--shards", str(shards)]
    if robustness:
        words.append("--robustness")
    return shlex.join([*words, "--out", str(out), "--engine", engine])


def _lacking(rows: Sequence[Row], images: Mapping[str, bytes]) -> Iterator[str]:
    for row in rows:
        held = sum(frame.key in images for frame in row.frames)
        if row.polyps and held < len(row.frames):
            yield (
                f"The shards hold {held} of the {len(row.frames)} frames of '{row.name}': what "
                "they cost in Dice is not known."
            )


def _missing(error: ModuleNotFoundError) -> str:
    return (
        f"{error.name} is not installed: run requirements/install dev in the checkout, which "
        "installs what this command needs."
    )


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(2)
