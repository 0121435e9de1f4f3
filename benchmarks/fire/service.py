"""One service for one proof: a real process, what it logs, and how it is asked."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.environments import ROOT
from benchmarks.process import Tree
from benchmarks.requests import Target

_PATIENCE_S = 120.0
_POLL_S = 0.02  # a service that measures itself must not compete with who waits for it


@dataclass(frozen=True, slots=True)
class Service:
    """A process that listens.

    Attributes:
        tree: The process.
        port: Where it listens.
        ready_s: Seconds from its start until it was ready.
    """

    tree: Tree
    port: int
    ready_s: float

    def target(self, path: str = "/predict", **headers: str) -> Target:
        """Return where to send raw bodies."""
        return Target(self.port, path, "raw", headers)

    def get(self, path: str) -> httpx.Response:
        """GET."""
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30, trust_env=False)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The complete lines of its log."""
        return _lines(self.tree.log)

    @property
    def resident(self) -> int:
        """Bytes in memory of the process that listens (VmRSS)."""
        return sum(_resident(pid) for pid in self.tree.pids)


@contextmanager
def serve(
    bundle: Path,
    *,
    command: Sequence[str] = (sys.executable, "-m", "app", "serve"),
    settings: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start a service, wait until it is ready, and end it.

    Args:
        bundle: The folder of the bundle's version.
        command: What to start.
        settings: Settings by name, without prefix.
        variables: More environment variables.

    Raises:
        RuntimeError: It ended, or is not ready after two minutes.
    """
    given = {
        "port": 0,
        "model": bundle.resolve().parent,
        "model_version": bundle.resolve().name,
        **(settings or {}),
    }
    environment = {f"POLYPSEG_{name.upper()}": str(value) for name, value in given.items()}
    with TemporaryDirectory() as folder:
        tree = Tree(
            command,
            {"PYTHONPATH": str(ROOT), **environment, **(variables or {})},
            Path(folder) / "log",
        )
        try:
            port = _wait(tree, _port)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                _wait(tree, lambda _: client.get("/health/ready").status_code == 200)
            yield Service(tree, port, time.monotonic() - tree.began)
        finally:
            tree.stop()


def _wait(tree: Tree, look: Any) -> Any:
    while not (found := look(tree)):
        if tree.root.poll() is not None or time.monotonic() > tree.began + _PATIENCE_S:
            raise RuntimeError(f"The service is not ready: {tree.log.read_text()[-500:]}")
        time.sleep(_POLL_S)
    return found


def _port(tree: Tree) -> int | None:
    listening = (line for line in _lines(tree.log) if line.get("event") == "listening")
    return next((int(line["port"]) for line in listening), None)


def _lines(log: Path) -> list[dict[str, Any]]:
    complete, _, _ = log.read_text(errors="replace").rpartition("\n")
    return [json.loads(line) for line in complete.splitlines() if line.startswith("{")]


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    sizes = (line.split() for line in status.splitlines() if line.startswith("VmRSS:"))
    return sum(int(size[1]) * 1024 for size in sizes)
