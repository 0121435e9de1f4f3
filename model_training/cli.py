"""The training commands of the console script: prepare, train, evaluate, export."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

cli = typer.Typer(no_args_is_help=True)
console = Console()

DataOption = Annotated[
    Path,
    typer.Option(
        envvar="POLYPSEG_DATA",
        help="Folder with cvc_clinicdb/, kvasir_seg/ and negatives/; see docs/data.md.",
    ),
]


@cli.command()
def train(
    recipe: Annotated[str, typer.Option(help="A name in model_training/recipes.py.")] = "tutorial",
    split: Annotated[
        str, typer.Option(help="tutorial, pranet or sequence-0 to sequence-4.")
    ] = "tutorial",
    data: DataOption = Path("data"),
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/RECIPE-SPLIT-SEED")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights, order and augmentation.")] = 42,
    encoder_weights: Annotated[
        str,
        typer.Option(help="'imagenet' (Keras downloads it), 'none', or a .weights.h5 file."),
    ] = "imagenet",
    resume: Annotated[bool, typer.Option(help="Go on from the run's checkpoint.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use this many frames of each part: a smoke test.")
    ] = None,
) -> None:
    """Train a network; every epoch is checkpointed, and --resume goes on bit for bit.

    On two CPU cores the tutorial takes about a minute an epoch. For example:

        polypseg train --recipe tutorial --split tutorial --data data
    """
    from model_training.pipeline import examples
    from model_training.progress import TrainingProgress
    from model_training.recipes import RECIPES
    from model_training.run import Run, describe
    from model_training.splits import read_split
    from model_training.training import train as train_run

    if recipe not in RECIPES:
        _fail(f"--recipe is {recipe!r}; there are: {', '.join(RECIPES)}.")
    weights = None if encoder_weights == "none" else encoder_weights
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        _fail(f"--encoder-weights is {weights}: no such file.")
    out = out or Path("runs") / f"{recipe}-{split}-{seed}"
    checkpointed = (out / "checkpoint.npz").exists()
    if checkpointed and not resume:
        _fail(f"{out} holds a run: add --resume to go on with it, or name another --out.")

    chosen = read_split(split, data)
    if limit:
        chosen = chosen.limit(limit)
    plan = describe(RECIPES[recipe], chosen, seed=seed, encoder_weights=weights)
    if checkpointed:
        run = Run.open(out)
        for name, value in plan.identity().items():
            if run.manifest.identity()[name] != value:
                _fail(f"{out} was made with another {name}: it cannot be resumed with these.")
    else:
        run = Run.create(out, plan)

    console.print(
        f"{recipe} on {split}: {len(chosen.train)} frames to train, "
        f"{len(chosen.validation)} to validate, into {out}"
    )
    settings = run.manifest.recipe
    history = train_run(
        run,
        examples(chosen.train, settings.height, settings.width),
        examples(chosen.validation, settings.height, settings.width),
        encoder_weights=weights,
        progress=TrainingProgress(console),
    )
    console.print(f"done after {len(history)} epochs: {out}/history.csv, {out}/checkpoint.npz")


def _fail(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)
    raise typer.Exit(2)
