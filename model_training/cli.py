"""The training commands of the console script: prepare, train, evaluate, export."""

import dataclasses
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from model_training.evaluation.command import evaluate
from model_training.evaluation.summaries import accuracy, pool
from model_training.prepare import prepare

# TensorFlow takes seconds to import: each command does so only once it is called.
cli = typer.Typer(no_args_is_help=True)
cli.command()(prepare)

DataOption = Annotated[
    Path,
    typer.Option(
        envvar="POLYPSEG_DATA",
        help="Folder with cvc_clinicdb/, kvasir_seg/ and negatives/; see docs/data.md.",
    ),
]


class Precision(StrEnum):
    """Arithmetic of the layers while training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@cli.command()
def train(
    recipe: Annotated[str, typer.Option(help="A name in model_training/recipes.py.")] = "tutorial",
    split: Annotated[
        str,
        typer.Option(
            help="tutorial, pranet, sequence-0 to sequence-4 or kvasir; with -full, such as "
            "pranet-full, its validation frames train as well."
        ),
    ] = "tutorial",
    data: DataOption = Path("data"),
    negatives: Annotated[
        bool, typer.Option(help="Add 150 frames without a polyp to train and validate on.")
    ] = False,
    shards: Annotated[
        Path | None,
        typer.Option(help="Read what `polypseg prepare` wrote, instead of --split from --data."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/RECIPE-SPLIT-SEED")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**32 - 1, help="Of initial weights, order and augmentation."),
    ] = 42,
    encoder_weights: Annotated[
        str,
        typer.Option(help="'imagenet' (Keras downloads it), 'none', or a .weights.h5 file."),
    ] = "imagenet",
    start: Annotated[
        Path | None,
        typer.Option(
            help="Train a bundle's weights further, such as models/polyp-unet/1; its frames must "
            "be of the same parts of this split.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Instead of the recipe's.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Instead of the recipe's.", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Input height and width, a multiple of 32, instead of the recipe's.",
            show_default=False,
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        typer.Option(
            help="Instead of the recipe's; a name in model_training/augmentation/presets.py.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Instead of the recipe's.", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the run's checkpoint.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Use this many frames of each part of the split: a smoke test."),
    ] = None,
) -> None:
    """Train a network; every epoch is checkpointed, and --resume goes on.

    On two CPU cores the tutorial takes about a minute an epoch. For example:

        polypseg train --recipe tutorial --split tutorial --data data
    """
    # TensorFlow turns its oneDNN kernels on only where a processor has VNNI; they take a quarter
    # off a step on others too. It reads this when it is imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

    from app.inference import BundleError
    from model_training.architectures.encoder import EncoderWeightsError
    from model_training.augmentation import AUGMENTATIONS
    from model_training.datasets import DatasetError
    from model_training.pipeline import examples
    from model_training.progress import TrainingProgress
    from model_training.recipes import RECIPES
    from model_training.replicas import Replicas, ReplicasError
    from model_training.run import Run, RunError, describe
    from model_training.shards import ShardError
    from model_training.source import from_shards, from_split, keys
    from model_training.splits import SplitError, read_split
    from model_training.start import StartError, open_start
    from model_training.training import prepare_devices
    from model_training.training import train as train_run

    if recipe not in RECIPES:
        _fail(f"--recipe is {recipe!r}; there are: {', '.join(RECIPES)}.")
    if augmentation is not None and augmentation not in AUGMENTATIONS:
        _fail(f"--augmentation is {augmentation!r}; there are: {', '.join(AUGMENTATIONS)}.")
    if shards and (limit or negatives):
        _fail("--shards holds the frames to train on: --limit and --negatives are for --data.")
    if size and size % 32:
        _fail(
            f"--size is {size}: the encoder halves it five times, so it must be a multiple of 32."
        )
    weights = None if encoder_weights == "none" else encoder_weights
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        _fail(f"--encoder-weights is {weights}: no such file.")
    try:
        if shards:
            source = from_shards(shards)
        else:
            chosen = read_split(split, data, negatives=negatives)
            source = from_split(chosen.limit(limit) if limit else chosen)
    except (DatasetError, ShardError, SplitError) as error:
        _fail(str(error))
    out = out or Path("runs") / f"{recipe}-{source.split}-{seed}"
    checkpointed = (out / "checkpoint.npz").exists()
    if checkpointed and not resume:
        _fail(f"{out} holds a run: add --resume to go on with it, or name another --out.")
    if (out / "model.weights.h5").exists() and not checkpointed:
        _fail(f"{out} holds the weights of a run without its checkpoint: name another --out.")
    settings = RECIPES[recipe]
    settings = dataclasses.replace(
        settings,
        epochs=epochs or settings.epochs,
        batch=batch or settings.batch,
        height=size or settings.height,
        width=size or settings.width,
        augmentation=augmentation or settings.augmentation,
        precision=precision.value if precision else settings.precision,
    )
    if settings.validates and not keys(source.validation):
        _fail(f"The course of {recipe} depends on frames that {source.split} does not hold out.")
    try:
        bundle = open_start(start, source) if start else None
    except (BundleError, StartError) as error:
        _fail(str(error))
    if not settings.steps(len(source.train)):
        _fail(f"{len(source.train)} frames to train do not fill one batch of {settings.batch}.")
    if settings.warmup_epochs is not None and settings.epochs <= settings.warmup_epochs:
        _fail(f"--epochs is {settings.epochs}: the first {settings.warmup_epochs} only warm up.")
    prepare_devices()
    try:
        replicas = Replicas.on_gpus(settings.batch)
    except ReplicasError as error:
        _fail(str(error))
    plan = describe(
        settings, source, seed=seed, encoder_weights=None if bundle else weights, start=bundle
    )
    if checkpointed:
        try:
            run = Run.open(out)
        except RunError as error:
            _fail(str(error))
        for name, value in plan.identity().items():
            if run.manifest.identity()[name] != value:
                _fail(f"{out} was made with another {name}: it cannot be resumed with these.")
    else:
        run = Run.create(out, plan)

    console = Console()
    console.print(
        f"{recipe} on {source.split}: {len(source.train)} frames to train, "
        f"{len(source.validation)} to validate, into {out}"
    )
    settings = run.manifest.recipe
    try:
        history = train_run(
            run,
            examples(source.train, settings.height, settings.width, cropped=settings.cropped),
            examples(source.validation, settings.height, settings.width, cropped=settings.cropped),
            encoder_weights=None if bundle else weights,
            start=bundle,
            replicas=replicas,
            progress=TrainingProgress(console),
        )
    except (EncoderWeightsError, RunError, StartError) as error:
        _fail(str(error))
    console.print(f"done after {len(history)} epochs: {out}/history.csv, {out}/checkpoint.npz")


cli.command()(evaluate)
cli.command()(pool)
cli.command()(accuracy)


@cli.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    data: DataOption = Path("data"),
    out: Annotated[
        Path, typer.Option(help="Folder of the model; its name is the model's name.")
    ] = Path("models/polyp-unet"),
    version: Annotated[int, typer.Option(min=1, help="The highest is the one served.")] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the version if it is there.")
    ] = False,
    point_of: Annotated[
        Path | None,
        typer.Option(
            help="Take temperature and thresholds over from a bundle, such as build/chosen/1: "
            "for a run that holds no frames out to fit them on.",
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        int, typer.Option(min=1, help="Frames on which the two engines are compared.")
    ] = 61,
) -> None:
    """Write a bundle: SavedModel, ONNX model, manifest, model card and warm-up requests.

    Temperature and operating threshold are fitted on the run's own validation frames, if any.
    `polypseg evaluate --record` writes its figures into it afterwards. For example:

        polypseg export runs/few-pranet-42 --data data --version 2
    """
    from app.imaging import ImageError
    from app.inference import BundleError, load_bundle
    from app.inference.bundle import is_name
    from model_training.datasets import DatasetError, read_frames
    from model_training.export import export as export_run
    from model_training.export import operating_point, taken_over
    from model_training.run import Run, RunError

    if not is_name(out.name):
        _fail(
            f"--out is {out}: a model's name is of small letters, digits, dots, underscores and "
            "hyphens."
        )
    if (out / str(version)).exists() and not replace:
        _fail(f"{out / str(version)} is there: name another --version or --out, or add --replace.")
    try:
        trained = Run.open(run)
        held_out = trained.manifest.validation_frames
        lender = load_bundle(point_of.parent, point_of.name) if point_of else None
        if held_out and lender:
            _fail(f"{run} holds {len(held_out)} frames out to fit on: leave --point-of away.")
        if not held_out and not lender:
            _fail(f"{run} holds no frames out to fit on: name a bundle with --point-of.")
        seen = read_frames(held_out or trained.manifest.train_frames, data)
        point = taken_over(lender, trained) if lender else operating_point(trained, seen)
        bundle = export_run(
            trained,
            out,
            name=out.name,
            version=str(version),
            images=[frame.read_image() for frame in seen[:: max(1, len(seen) // frames)][:frames]],
            point=point,
            point_of=lender,
        )
    except (BundleError, DatasetError, ImageError, RunError) as error:
        _fail(str(error))
    parity = bundle.manifest.parity_on("cpu")
    console = Console()
    console.print(
        f"temperature {point.temperature}, threshold {point.threshold}, smallest region "
        f"{point.min_area} px; "
        + (f"on validation: {_listed(point.figures)}" if point.figures else f"as {point_of} has"),
        soft_wrap=True,
    )
    console.print(f"bundle {bundle.path}, sha256 {bundle.sha256}", soft_wrap=True)
    console.print(
        f"{bundle.manifest.parameters:,} parameters, {bundle.manifest.gflop} GFLOP; {parity}",
        soft_wrap=True,
    )
    if parity is None or not parity.within_bounds:
        _fail("The two engines are too far apart: the service will not use ONNX Runtime by itself.")


def _listed(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(2)
