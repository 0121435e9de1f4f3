"""What a person sees of a training run: a bar for the epoch, a line for each one that is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class TrainingProgress:
    """Progress of epochs and steps on a console; without a terminal only the lines are printed."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def epoch(self, epoch: int, *, steps: int) -> Iterator[Callable[[float], None]]:
        """Show a bar for one epoch; the yielded function takes the mean loss after each step."""
        bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with bar:
            task = bar.add_task("", total=steps, epoch=epoch + 1, loss=float("nan"))
            yield lambda loss: bar.update(task, advance=1, loss=loss)

    def report(self, row: dict[str, float]) -> None:
        """Print the metrics of a finished epoch."""
        names = ("loss", "dice", "val_loss", "val_dice", "val_recall", "val_precision")
        metrics = "  ".join(f"{name} {row[name]:.4f}" for name in names if name in row)
        self._console.print(
            f"epoch {row['epoch'] + 1:.0f}  {metrics}  "
            f"learning rate {row['learning_rate']:.0e}  {row['seconds']:.1f} s",
            highlight=False,
        )
