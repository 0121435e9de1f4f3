"""The commands that need records alone: `polypseg pool` and `polypseg accuracy`."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from model_training.evaluation.accuracy import tables
from model_training.evaluation.folds import is_fold, pool_folds
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.page import PageError, fill
from model_training.evaluation.record import RecordError, read_record, read_records
from model_training.evaluation.seeds import spread
from model_training.evaluation.tables import results_table, spread_table


def pool(
    records: Annotated[
        list[Path], typer.Argument(help="Folders that `polypseg evaluate --keep` wrote.")
    ],
) -> None:
    """Pool five folds into one row, or give mean and standard deviation over seeds.

    Everything is computed from kept records; neither data nor models are needed. For example:

        polypseg pool records/fold-sequence-?-42
    """
    console = Console()
    try:
        kept = [read_record(folder) for folder in records]
        if all(is_fold(one) for one in kept):
            console.print(results_table([pool_folds(kept, Bootstrap())]))
        else:
            console.print(spread_table(spread(kept)))
    except RecordError as error:
        _fail(error)


def accuracy(
    records: Annotated[Path, typer.Option(help="Folder of all records.")] = Path("records"),
    page: Annotated[Path, typer.Option(help="Its tables are written anew.")] = Path(
        "docs/accuracy.md"
    ),
) -> None:
    """Write the tables of docs/accuracy.md from the records that are kept.

    Sentences stay. A test compares the page with the records. For example:

        polypseg accuracy
    """
    try:
        kept = read_records(records)
        page.write_text(fill(page.read_text(), tables(kept, Bootstrap())))
    except (OSError, PageError, RecordError) as error:
        _fail(error)
    Console().print(f"{page}: {len(kept)} records", soft_wrap=True)


def _fail(error: Exception) -> NoReturn:
    Console(stderr=True).print(str(error), highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(2) from error
