"""The commands of the console script.

Only what parses the command line is imported here; a command imports what it needs when it runs,
so that `polypseg --help` answers at once and signals are handled before anything slow begins.
"""

import logging
import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from typer.core import TyperGroup

from app import __version__

COMMANDS: Final = "polypseg.commands"
"""Entry points of further commands, each a `typer.Typer`."""


class _Group(TyperGroup):
    """Has the commands of other packages as well, and imports them when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        try:
            more = list(self._more())
        except ModuleNotFoundError:  # told when one of them is asked for
            more = []
        return [*super().list_commands(ctx), *more]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or self._more().get(cmd_name)

    def _more(self) -> dict[str, Any]:
        commands: dict[str, Any] = {}
        for entry in entry_points(group=COMMANDS):
            group = typer.main.get_group(entry.load())
            commands |= group.commands
        return commands


_VARIABLES: Final = (
    "Every setting is an environment variable too, such as `POLYPSEG_PORT`; docs/operations.md "
    "lists them, and those that have no option."
)
_TRAINING: Final = (
    "`requirements/install dev` adds the commands that prepare data, train, evaluate and export."
)

cli = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Polyp segmentation for colonoscopy images. Research use only; not a medical device.",
    epilog=f"{_VARIABLES} {_TRAINING}",
)

Model = Annotated[
    Path | None,
    typer.Option(help="Folder of the bundle.", show_default="models/polyp-unet"),
]
Version = Annotated[
    str | None, typer.Option(help="Version of the bundle.", show_default="the highest")
]
Engine = Annotated[
    Literal["auto", "onnxruntime", "tensorflow"] | None,
    typer.Option(help="What runs the model.", show_default="auto"),
]
Device = Annotated[
    Literal["auto", "cpu", "gpu"] | None,
    typer.Option(help="Where it runs; gpu insists on one.", show_default="auto"),
]


@cli.command(epilog=_VARIABLES)
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0 lets the system pick one.", show_default="8000"),
    ] = None,
    model: Model = None,
    model_version: Version = None,
    engine: Engine = None,
    device: Device = None,
) -> None:
    """Serve the model over HTTP until told to stop.

    SIGTERM or Ctrl-C stops the service once every accepted request is answered; a second one ends
    it at once. Logs are JSON lines on standard output. For example:

        polypseg serve --port 8000

        curl -F file=@image.jpg http://127.0.0.1:8000/predict -o mask.png
    """
    from app.signals import Stop

    stop = Stop()
    from app.server import serve as run
    from app.settings import read_settings

    try:
        settings = read_settings(
            host=host,
            port=port,
            model=model,
            model_version=model_version,
            engine=engine,
            device=device,
        )
        code = run(settings, stop)
    except Exception as error:  # noqa: BLE001 - raised again where it is no known one
        code = _complain(error)
    # A model that is still loading, or hangs, must not keep the process alive, and neither must a
    # reader of the log who has fallen asleep.
    logging.shutdown()
    os._exit(code)


@cli.command(epilog=_VARIABLES)
def predict(
    files: Annotated[list[Path], typer.Argument(help="Images: PNG, JPEG, TIFF, BMP or WebP.")],
    out: Annotated[Path, typer.Option(help="Folder for the answers; made if need be.")],
    answer: Annotated[
        Literal["png", "json", "overlay", "probability"],
        typer.Option("--format", help="png is the mask, overlay the image with its contour."),
    ] = "png",
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability from which on a pixel belongs to the mask, over 0 and under 1.",
            show_default="the model's own",
        ),
    ] = None,
    model: Model = None,
    model_version: Version = None,
    engine: Engine = None,
    device: Device = None,
) -> None:
    """Mark polyps in image files, without a server.

    Each answer has the size of its image. A file that cannot be read is reported, and the others
    go on; the exit code is 1 then. For example:

        polypseg predict frames/*.jpg --out masks

        polypseg predict frame.png --out seen --format overlay
    """
    from app.api.negotiation import Format
    from app.offline import predict_files
    from app.settings import read_settings

    settings = read_settings(model=model, model_version=model_version, engine=engine, device=device)
    raise typer.Exit(predict_files(files, out, Format(answer), threshold, settings))


@cli.command()
def info(
    model: Model = None,
    model_version: Version = None,
    engine: Engine = None,
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the model, the engine that would run it and why, and the versions that matter."""
    from app.about import show
    from app.settings import read_settings

    show(
        read_settings(model=model, model_version=model_version, engine=engine, device=device),
        as_json=as_json,
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polypseg {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Hold the options of the script itself."""
    del version


def main() -> None:
    """Run the console script: a failure is one line, and the exit code says so."""
    try:
        cli(prog_name="polypseg")
    except Exception as error:  # noqa: BLE001 - raised again where it is no known one
        raise SystemExit(_complain(error)) from None


def _complain(error: Exception) -> int:
    """Write what went wrong in one line and return the exit code; raise what is not expected."""
    if isinstance(error, ModuleNotFoundError):
        typer.echo(
            f"polypseg: {error}: run requirements/install dev in the checkout, which installs "
            "what this command needs.",
            err=True,
        )
        return 1
    from app.inference import BundleError, EngineError, SelectionError, StartError
    from app.settings import SettingsError

    if not isinstance(error, (BundleError, EngineError, SelectionError, SettingsError, StartError)):
        raise error
    for line in str(error).splitlines():
        typer.echo(f"polypseg: {line}", err=True)
    return 1
