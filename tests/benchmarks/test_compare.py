"""A run in which peers fail: what is kept of it. No server is started, nothing is timed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import cells, compare
from benchmarks.masks import Masks
from benchmarks.servers import OURS, Entry, Running, Server, Unavailable
from tests.benchmarks.still import StillTree, still

Failure = Callable[[Running], float]
"""What a closed loop does to a server; it returns the throughput."""


def hang_up(_: Running) -> float:
    raise ConnectionResetError


def refuse(_: Running) -> float:
    return 0.0


def end(running: Running) -> float:
    cast(StillTree, running.tree).code = -9
    return 1.0


class Run:
    """A comparison of three servers, one of which may fail.

    Attributes:
        failing: Its name.
        fail: What happens to it.
        after: Rounds that it gets through before that; none if it fails at its start.
        saved: The figures as they were saved after each round.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failing, self.after = "", 1
        self.fail: Failure = hang_up
        self.fault_at_start: Exception | None = None
        self.trees: dict[str, StillTree] = {}
        self.loops: dict[str, int] = {}
        self.saved: list[dict[str, Any]] = []

    @contextmanager
    def started(self, entry: Entry, _: Path) -> Iterator[Running]:
        if self.fault_at_start and entry.name == self.failing:
            raise self.fault_at_start
        running = still(entry.name, self.folder)
        self.trees[entry.name] = cast(StillTree, running.tree)
        yield running

    def closed(self, running: Running, *_: object) -> cells.Cell:
        name = running.name
        assert [other for other, tree in self.trees.items() if tree.awake] == [name]
        self.loops[name] = self.loops.get(name, 0) + 1
        # Two loops tell the capacity; each turn has one to warm up, and two more.
        failing = name == self.failing and self.loops[name] > 2 + 3 * self.after
        throughput = self.fail(running) if failing else 10.0
        return {"throughput": throughput, "p50_ms": 1.0, "p99_ms": 1.0, "cpu_ms": 1.0, "failed": 0}

    def __call__(self) -> dict[str, Any]:
        plan = compare.Plan(3, 1.0, quick=True, logs=self.folder)
        servers = [Server(name, None, lambda *_: []) for name in (OURS, "FastAPI", "mosec")]
        entries = [Entry(server, self.folder, "a") for server in servers]
        return compare.compare(
            entries,
            plan,
            lambda figures: self.saved.append(json.loads(json.dumps(figures))),
            whole=False,
        )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    run = Run(tmp_path)
    monkeypatch.setattr(compare, "started", run.started)
    monkeypatch.setattr(cells, "closed", run.closed)
    monkeypatch.setattr(Masks, "differences", lambda *_: {"720x576": 0})
    return run


def rounds(figures: dict[str, Any]) -> dict[str, int]:
    """Return how many rounds there are of each server."""
    return {name: len(own.get("memory", ())) for name, own in figures["servers"].items()}


def test_figures_are_saved_after_each_round(run: Run) -> None:
    figures = run()
    assert [set(rounds(saved).values()) for saved in run.saved] == [{1}, {2}, {3}]
    assert run.saved[-1] == figures
    assert figures["capacity"] == 10.0


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (hang_up, "ConnectionResetError"),
        (refuse, "mosec: no answer with status 200 to 1 clients, 720x576"),
        (end, "mosec: it ended while it was measured"),
    ],
)
def test_a_peer_that_dies_is_left_out_and_the_others_go_on(
    fail: Failure, reason: str, run: Run
) -> None:
    run.failing, run.fail = "mosec", fail
    figures = run()
    assert figures["servers"]["mosec"] == {"unavailable": reason}
    assert rounds(figures) == {OURS: 3, "FastAPI": 3, "mosec": 0}
    assert rounds(run.saved[0])["mosec"] == 1
    assert not any(tree.awake for tree in run.trees.values())


@pytest.mark.parametrize("fault", [Unavailable("mosec: no"), ConnectionError("status 500")])
def test_a_peer_that_does_not_begin_is_left_out(fault: Exception, run: Run) -> None:
    run.failing, run.fault_at_start = "mosec", fault
    figures = run()
    assert figures["servers"]["mosec"] == {"unavailable": str(fault)}
    assert rounds(figures) == {OURS: 3, "FastAPI": 3, "mosec": 0}


@pytest.mark.parametrize(("fail", "error"), [(hang_up, OSError), (refuse, Unavailable)])
def test_the_service_itself_has_no_excuse(fail: Failure, error: type[Exception], run: Run) -> None:
    run.failing, run.fail = OURS, fail
    with pytest.raises(error):
        run()
    assert [rounds(saved)[OURS] for saved in run.saved] == [1]


def test_the_service_must_start(run: Run) -> None:
    run.failing, run.fault_at_start = OURS, Unavailable("it does not start")
    with pytest.raises(Unavailable, match="it does not start"):
        run()


def test_a_file_is_whole_or_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    compare.write(path, {"a": 1})
    with pytest.raises(TypeError):
        compare.write(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
