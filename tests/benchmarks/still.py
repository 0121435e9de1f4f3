"""A server for tests of what is reckoned from measurements: it has no process and does nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from benchmarks.process import Tree
from benchmarks.requests import Target
from benchmarks.servers import Entry, Running, Server


class StillTree:
    """Notes how it is treated.

    Attributes:
        awake: Whether it may run.
        code: The exit code of its process, None while it runs.
    """

    def __init__(self) -> None:
        self.awake = True
        self.code: int | None = None
        self.root = SimpleNamespace(poll=lambda: self.code)

    def resume(self) -> None:
        self.awake = True

    def pause(self) -> None:
        self.awake = False

    def cpu(self) -> float:
        return 0.0

    def memory(self) -> int:
        return 1


def still(name: str, folder: Path) -> Running:
    """Return a server that does nothing."""
    server = Server(name, None, lambda *_: [])
    tree = cast(Tree, StillTree())
    return Running(Entry(server, folder, "a"), tree, Target(1, "/"), 1.0)
