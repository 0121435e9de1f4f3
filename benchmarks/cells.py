"""One server at a time: the cells of the comparison, each a few seconds long."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.load import PATIENCE_S, Sample, among_leavers, closed_loop, lone, open_loop
from benchmarks.pictures import scenes
from benchmarks.process import Tree
from benchmarks.requests import Target
from benchmarks.servers import Running

SHARES = (0.5, 0.8, 1.0, 3.0)
"""Open loops, as shares of the throughput that the fastest server has in a closed one."""

_IDLE = 0.03
_SETTLE_S = 60.0

Cell = Mapping[str, Any]


def closed(running: Running, size: str, clients: int, seconds: float) -> Cell:
    """Measure a closed loop."""
    before = running.tree.cpu()
    samples = asyncio.run(closed_loop(running.target, scenes(size), clients, seconds))
    done = _done(samples)
    return {
        "throughput": len(done) / _elapsed(samples, seconds),
        **_times(done),
        "cpu_ms": 1000 * (running.tree.cpu() - before) / max(1, len(done)),
        "failed": len(samples) - len(done),
    }


def opened(running: Running, share: float, capacity: float, seconds: float, seed: int) -> Cell:
    """Measure an open loop; what comes after the caller's patience does not count.

    Nor is it goodput if it comes after the end of the load, in time that is not counted either.
    Times are those of all answers: without the last ones they would look shorter.
    """
    target = _patient(running.target)
    samples = asyncio.run(
        open_loop(target, scenes("720x576"), share * capacity, seconds, PATIENCE_S, seed)
    )
    settle(running.tree)
    done = _done(samples)
    refused = [sample.seconds for sample in samples if sample.status in {429, 503}]
    return {
        "offered": len(samples) / seconds,
        "goodput": sum(sample.end <= seconds for sample in done) / seconds,
        **_times(done),
        "refused_ms": 1000 * statistics.median(refused) if refused else None,
        "statuses": dict(Counter(str(sample.status) for sample in samples)),
    }


def after_idle(running: Running, times: int) -> Cell:
    """Measure lone requests, each after a second of silence."""
    return _times(_done(asyncio.run(lone(running.target, scenes("720x576"), times, 1.0))))


def left(running: Running, seconds: float) -> Cell:
    """Measure what four clients get while sixteen others ask and hang up after 0.1 s."""
    samples = asyncio.run(among_leavers(running.target, scenes("720x576"), 4, 16, seconds))
    settle(running.tree)
    done = _done(samples)
    return {
        "throughput": len(done) / _elapsed(samples, seconds),
        **_times(done),
        "failed": len(samples) - len(done),
    }


def idle(running: Running, seconds: float) -> float:
    """Return the share of one core that the server takes while nobody asks."""
    settle(running.tree)
    before, began = running.tree.cpu(), time.monotonic()
    time.sleep(seconds)
    return (running.tree.cpu() - before) / (time.monotonic() - began)


def settle(tree: Tree) -> None:
    """Wait until a server has done what it still had to do, though not for ever."""
    until = time.monotonic() + _SETTLE_S
    while time.monotonic() < until:
        before = tree.cpu()
        time.sleep(0.5)
        if tree.cpu() - before <= _IDLE * 0.5 + 0.02:
            return


def _patient(target: Target) -> Target:
    headers = {"X-Request-Timeout-Ms": str(round(PATIENCE_S * 1000))}
    return Target(target.port, target.path, target.form, headers)


def _done(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.status == 200]


def _elapsed(samples: Sequence[Sample], seconds: float) -> float:
    """Return all the time that a closed loop took: nothing is cut off at its end."""
    return max((sample.end for sample in samples), default=seconds)


def _times(samples: Sequence[Sample]) -> dict[str, float | None]:
    seconds = sorted(sample.seconds for sample in samples)
    if not seconds:
        return {"p50_ms": None, "p99_ms": None}
    last = seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))]
    return {"p50_ms": 1000 * statistics.median(seconds), "p99_ms": 1000 * last}
