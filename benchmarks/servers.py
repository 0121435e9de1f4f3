"""The servers that are compared: how each is started, and how it is asked."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.imaging import phantom_jpeg
from benchmarks.environments import ROOT, EnvironmentFault, environment
from benchmarks.load import PATIENCE_S, answers
from benchmarks.pictures import SIZES
from benchmarks.process import Tree
from benchmarks.requests import Form, Target

OURS = "polypseg"
Round = Literal["a", "b"]
_START_S = 120.0
_PATIENCE_MS = round(1000 * PATIENCE_S)


class Unavailable(Exception):  # noqa: N818
    """A server cannot be had here; the message is one line."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server, as it is measured.

    Attributes:
        name: What the tables call it.
        environment: The environment that it runs in; None for ours.
        command: From that environment's `bin`, the server itself, the port and a folder to keep
            files in, to a command.
        form: How it takes a picture.
        path: Where.
        workers: Processes that compute.
        threads: Threads of the engine in each of them; for TensorFlow, 0 means its own choice.
    """

    name: str
    environment: str | None
    command: "Callable[[Path, Server, int, Path], list[str]]"
    form: Form = "multipart"
    path: str = "/predict"
    workers: int = 2
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A server with what it serves.

    Attributes:
        server: Which one.
        bundle: The folder of the bundle's version.
        around: What a peer does with a picture: what we do (a), or what the tutorial does (b).
    """

    server: Server
    bundle: Path
    around: Round

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.server.name if self.around == "a" else f"{self.server.name} + TensorFlow"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that has answered.

    Attributes:
        entry: What it is.
        tree: Its processes.
        target: How it is asked.
        ready_s: Seconds from its start to its first answer.
    """

    entry: Entry
    tree: Tree
    target: Target
    ready_s: float

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.entry.name


def _mlserver(bin_: Path, server: Server, port: int, folder: Path) -> list[str]:
    settings = {
        "debug": False,
        "parallel_workers": server.workers,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_endpoint": None,
    }
    model = {"name": "polyps", "implementation": "benchmarks.peers.mlmodel.Polyps"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(bin_ / "mlserver"), "start", str(folder)]


def _python(module: str, *arguments: str) -> Callable[[Path, Server, int, Path], list[str]]:
    def command(bin_: Path, server: Server, port: int, _: Path) -> list[str]:
        filled = [argument.format(port=port, workers=server.workers) for argument in arguments]
        return [str(bin_ / "python"), "-m", module, *filled]

    return command


PEERS = (
    Server(
        "FastAPI",
        "plain",
        _python(
            "uvicorn",
            "benchmarks.peers.plain:app",
            "--port={port}",
            "--workers={workers}",
            "--log-level=warning",
        ),
    ),
    Server("LitServe", "litserve", _python("benchmarks.peers.lit")),
    Server(
        "BentoML",
        "bentoml",
        _python(
            "bentoml", "serve", "benchmarks.peers.bento:Polyps", "--port={port}", "--host=127.0.0.1"
        ),
    ),
    Server("Ray Serve", "ray", _python("benchmarks.peers.rayserve"), form="raw"),
    Server("MLServer", "mlserver", _mlserver, form="v2", path="/v2/models/polyps/infer"),
    Server(
        "mosec",
        "mosec",
        _python(
            "benchmarks.peers.mosecserver",
            "--port={port}",
            f"--timeout={_PATIENCE_MS}",
            "--log-level=warning",
        ),
        form="raw",
    ),
)

SHIPPED = Server(OURS, None, _python("app", "serve", "--port={port}"))

# The environments of these two hold TensorFlow. Who follows the tutorial starts one process, and
# TensorFlow takes all cores.
TUTORIAL_PEERS = tuple(
    replace(peer, workers=1, threads=0) for peer in PEERS if peer.name in {"FastAPI", "mosec"}
)


@contextmanager
def started(
    entry: Entry,
    logs: Path,
    *,
    tree: Path = ROOT,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Start a server and wait until it answers a picture.

    Args:
        entry: What to start.
        logs: Where its output goes.
        tree: The working tree that it runs from.
        variables: More environment variables.

    Raises:
        Unavailable: It cannot be installed or does not start.
    """
    server = entry.server
    try:
        ours = Path(sys.executable).parent
        bin_ = environment(server.environment) if server.environment else ours
    except EnvironmentFault as fault:
        raise Unavailable(str(fault)) from fault
    port = free_port()
    folder = logs / entry.name.replace(" ", "-").lower()
    command = server.command(bin_, server, port, folder)
    given = {"PYTHONPATH": str(tree), **_variables(entry, port), **(variables or {})}
    processes = Tree(command, given, folder / "log.txt", tree)
    target = Target(port, server.path, server.form)
    try:
        _wait(server.name, processes, target)
        yield Running(entry, processes, target, time.monotonic() - processes.began)
    finally:
        processes.stop()


def _wait(name: str, tree: Tree, target: Target) -> None:
    picture = phantom_jpeg(*SIZES["720x576"])
    while True:
        if tree.root.poll() is not None or time.monotonic() > tree.began + _START_S:
            raise Unavailable(f"{name}: {_last_line(tree.log)}")
        try:
            asyncio.run(asyncio.wait_for(answers(target, [picture]), _START_S))
        except (OSError, TimeoutError):
            time.sleep(0.02)
        else:
            return


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _variables(entry: Entry, port: int) -> Mapping[str, str]:
    server, bundle = entry.server, entry.bundle.resolve()
    return {
        "BENCH_BUNDLE": str(bundle),
        "BENCH_ROUND": entry.around,
        "BENCH_WORKERS": str(server.workers),
        "BENCH_THREADS": str(server.threads),
        "BENCH_PORT": str(port),
        "BENCH_PATIENCE_S": str(PATIENCE_S),
        "POLYPSEG_MODEL": str(bundle.parent),
        "POLYPSEG_MODEL_VERSION": bundle.name,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # Nobody is told that this ran.
        "BENTOML_DO_NOT_TRACK": "True",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it wrote nothing"
