"""What is counted of the requests of a load that was made up."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cells
from benchmarks.load import NO_ANSWER, Sample
from benchmarks.servers import Running
from tests.benchmarks.still import still

Load = Callable[..., Coroutine[Any, Any, list[Sample]]]


def load(*samples: tuple[float, float, int]) -> Load:
    """Return a load whose requests were due, took and got these."""

    async def ask(*_: object) -> list[Sample]:
        return [Sample(due, took, status, 0) for due, took, status in samples]

    return ask


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(cells, "settle", lambda _: None)
    return still("mosec", tmp_path)


def test_what_comes_after_the_end_of_an_open_loop_is_no_goodput(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = load((0.0, 1.0, 200), (1.5, 0.5, 200), (1.9, 1.9, 200), (1.0, 0.1, 429))
    monkeypatch.setattr(cells, "open_loop", asked)
    cell = cells.opened(running, 1.0, 10.0, 2.0, seed=0)
    assert (cell["offered"], cell["goodput"]) == (2.0, 1.0)
    assert (cell["p50_ms"], cell["p99_ms"]) == (1000, 1900)
    assert cell["refused_ms"] == pytest.approx(100)
    assert cell["statuses"] == {"200": 3, "429": 1}


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("closed_loop", lambda running: cells.closed(running, "720x576", 4, 1.0)),
        ("among_leavers", lambda running: cells.left(running, 1.0)),
    ],
)
def test_a_closed_loop_lasts_until_its_last_answer(
    name: str,
    measure: Callable[[Running], cells.Cell],
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells, name, load((0.0, 0.5, 200), (0.5, 1.5, 200), (0.9, 0.1, 503)))
    cell = measure(running)
    assert (cell["throughput"], cell["failed"]) == (1.0, 1)


@pytest.mark.parametrize(
    ("bad", "median"), [([(1.0, 0.001, 503), (2.0, 9.0, NO_ANSWER)], 20.0), ([], 20.0)]
)
def test_only_an_answer_has_a_time(
    bad: list[tuple[float, float, int]],
    median: float,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells, "lone", load((0.0, 0.020, 200), *bad))
    assert cells.after_idle(running, 4)["p50_ms"] == pytest.approx(median)


def test_no_answer_has_no_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "lone", load((0.0, 0.001, 503)))
    assert cells.after_idle(running, 4) == {"p50_ms": None, "p99_ms": None}
