"""The command `prepare`: check the data, report what a split leaks, write its shards."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from model_training.shards import ShardManifest, ShardSettings
    from model_training.splits import Split


class Encoding(StrEnum):
    """How the images are stored."""

    JPEG = "jpeg"
    PNG = "png"


def prepare(
    data: Annotated[
        Path,
        typer.Option(
            envvar="POLYPSEG_DATA",
            help="Folder with cvc_clinicdb/, kvasir_seg/ and negatives/; see docs/data.md.",
        ),
    ] = Path("data"),
    out: Annotated[
        Path | None, typer.Option(help="Folder to make.", show_default="shards/SPLIT-HxW-ENCODING")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="tutorial, pranet, sequence-0 to sequence-4 or kvasir; with -full, such as "
            "pranet-full, its validation frames train as well."
        ),
    ] = "pranet",
    negatives: Annotated[
        bool, typer.Option(help="Add 150 frames without a polyp to train and validate on.")
    ] = False,
    height: Annotated[int, typer.Option(min=1, help="Rows of the stored frames.")] = 256,
    width: Annotated[int, typer.Option(min=1, help="Columns of the stored frames.")] = 256,
    encoding: Annotated[
        Encoding, typer.Option(help="JPEG of quality 95, or PNG (lossless, four times as large).")
    ] = Encoding.JPEG,
) -> None:
    """Check the data, show what a split leaks, and write its frames as TFRecord shards.

    The folder appears when it is complete; when it holds just that already, it is only checked.
    For example:

        polypseg prepare --split pranet --data data
    """
    from model_training.datasets import DatasetError
    from model_training.shards import ShardError, ShardSettings
    from model_training.splits import SplitError, read_split

    console = Console()
    settings = ShardSettings(height=height, width=width, encoding=encoding.value)
    out = out or Path("shards") / f"{split}-{height}x{width}-{encoding.value}"
    try:
        chosen = read_split(split, data, negatives=negatives)
        console.print(leakage_table(chosen))
        manifest = _write(chosen, out, settings, console)
    except (DatasetError, ShardError, SplitError) as error:
        Console(stderr=True).print(str(error), highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    parts = manifest.parts.values()
    shards = [shard for part in parts for shard in part.shards]
    frames = sum(len(part.frames) for part in parts)
    size = sum(shard.size for shard in shards) / 1e6
    console.print(f"{out}: {frames} frames, {len(shards)} shards, {size:.1f} MB", soft_wrap=True)
    console.print(f"manifest sha256 {manifest.sha256}", soft_wrap=True)


def leakage_table(split: "Split") -> Table:
    """Show how many held-out frames have nearly been seen."""
    from model_training.splits import leakage

    table = Table("role", "data set", "seen in", title=f"What the split {split.name} leaks")
    for column in ("frames", "same sequence", "neighbour"):
        table.add_column(column, justify="right")
    for row in leakage(split):
        against = " + ".join(row.against)
        counts = (row.frames, row.same_sequence, row.neighbour)
        table.add_row(row.role, row.dataset, against, *(str(count) for count in counts))
    return table


def _write(
    split: "Split", out: Path, settings: "ShardSettings", console: Console
) -> "ShardManifest":
    from model_training.shards.writing import write_shards

    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        total = sum(len(frames) for _, frames in split.roles())
        task = progress.add_task("frames", total=total)
        manifest = write_shards(split, out, settings, advance=lambda: progress.advance(task))
        progress.update(task, completed=total)
    return manifest
