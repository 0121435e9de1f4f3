"""The figures of a comparison that was made up, so that every ratio is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots, report, tables


def _server(throughput: float, p50: float, goodput: float) -> dict[str, Any]:
    loops = {
        f"720x576/{clients}": [
            # Each round is slower than the one before it, for everybody.
            {
                "throughput": throughput / slow,
                "p50_ms": p50 * slow,
                "p99_ms": 2 * p50 * slow,
                "cpu_ms": 10.0,
                "failed": 0,
            }
            for slow in (1, 2, 5)
        ]
        for clients in (1, 16)
    }
    opened = {"offered": 90.0, "goodput": goodput, "p50_ms": 500.0, "p99_ms": 900.0}
    return {
        "ready_s": 1.0,
        "memory_ready": 300_000_000,
        "workers": 2,
        "threads": 1,
        "masks": {"720x576": 0},
        "closed": loops,
        "open": {"300%": [{**opened, "refused_ms": None, "statuses": {"200": 9}}] * 3},
        "lone": [{"p50_ms": p50}] * 3,
        "leavers": [{"throughput": throughput}] * 3,
        "idle": [0.004] * 3,
        "memory": [310_000_000] * 3,
    }


@pytest.fixture
def results() -> dict[str, Any]:
    a = {
        "polypseg": _server(60, 20, 30),
        "FastAPI": _server(40, 16, 1),
        "mosec": _server(50, 25, 10),
        "MLServer": {"unavailable": "it does not start"},
    }
    b = {"polypseg": _server(60, 20, 30), "FastAPI + TensorFlow": _server(10, 80, 1)}
    return {
        "machine": {
            "date": "2026-01-01",
            "processor": "a processor",
            "cores": 2,
            "memory_gib": 8,
            "system": "Linux",
            "python": "3.12",
            "versions": {"numpy": "2"},
            "peers": {"mosec": "0"},
        },
        "plan": {"rounds": 3, "seconds": 1.0, "open_seconds": 1.0},
        "minutes": 1.0,
        "a": {"capacity": 60.0, "servers": a},
        "b": {"capacity": 60.0, "servers": b},
    }


def test_last_line(results: dict[str, Any]) -> None:
    assert tables.last_line(results) == (
        "round A: throughput 1.20x, p50 1.25x of the best peer (mosec; p50: FastAPI); "
        "round B: throughput 6.00x, p50 0.25x"
    )


def test_goodput_is_compared_with_the_best(results: dict[str, Any]) -> None:
    assert tables.goodput(results["a"], "300%") == (3.0, "mosec")


def test_a_server_that_answers_nothing_is_no_division_by_zero(results: dict[str, Any]) -> None:
    for name in ("FastAPI", "mosec"):
        for cell in results["a"]["servers"][name]["open"]["300%"]:
            cell["goodput"] = 0.0
    value, _ = tables.goodput(results["a"], "300%")
    assert value > 100


def test_a_lone_request_without_an_answer_is_left_out(results: dict[str, Any]) -> None:
    results["a"]["servers"]["mosec"]["lone"] = [{"p50_ms": None}, {"p50_ms": 4.0}, {"p50_ms": 6.0}]
    assert "| 5.0 (4.0 to 6.0) |" in tables.standing_table(results["a"])


def lose(results: dict[str, Any], round_: str, *names: str) -> None:
    for name in names:
        results[round_]["servers"][name] = {"unavailable": "it died"}


def test_peers_that_died_are_told_and_the_others_compared(
    results: dict[str, Any], tmp_path: Path
) -> None:
    lose(results, "a", "mosec")
    lose(results, "b", "FastAPI + TensorFlow")
    assert tables.last_line(results) == (
        "round A: throughput 1.50x, p50 1.25x of the best peer (FastAPI)"
    )
    text = report.report(results)
    assert "| mosec | could not be measured: it died |" in text
    assert "| FastAPI + TensorFlow | could not be measured: it died |" in text
    assert "B: throughput" not in text
    assert len(plots.draw(results, tmp_path)) == 2


def test_no_peer_is_left(results: dict[str, Any]) -> None:
    lose(results, "a", "FastAPI", "mosec")
    lose(results, "b", "FastAPI + TensorFlow")
    assert tables.last_line(results) == "no peer could be measured"
    assert "| mosec | could not be measured: it died |" in report.report(results)


def test_a_run_that_was_cut_off_has_a_report_of_its_rounds(results: dict[str, Any]) -> None:
    del results["b"]
    results["plan"]["rounds"] = 5
    text = report.report(results)
    assert " 3 rounds; " in text
    assert "Round B" not in text
    assert tables.last_line(results).endswith("of the best peer (mosec; p50: FastAPI)")


def test_the_page_is_what_was_recorded() -> None:
    assert report.report(json.loads(report.RECORD.read_text())) in report.PAGE.read_text()


def test_spread() -> None:
    assert tables.spread([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"
    assert tables.spread([]) == "none"


def test_report_holds_every_server_and_what_was_missed(
    results: dict[str, Any], tmp_path: Path
) -> None:
    text = report.report(json.loads(json.dumps(results)))
    for server in ("polypseg", "FastAPI", "mosec", "FastAPI + TensorFlow"):
        assert f"| {server} |" in text
    assert "could not be measured: it does not start" in text
    assert "| A: p50, 1 client, against FastAPI | 1.25 | at most 1 | **missed** |" in text
    assert "| A: throughput, 16 clients, against mosec | 1.20 | at least 1.05 | holds |" in text
    for picture in plots.draw(results, tmp_path):
        assert picture.stat().st_size > 1000
        assert f"images/{picture.name}" in text
