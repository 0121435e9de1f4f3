"""Programs that compute beside what is measured, and only for as long."""

import os
from pathlib import Path

import pytest

from benchmarks.neighbours import neighbours
from tests.waiting import until


def children() -> set[int]:
    tasks = Path("/proc/self/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def ticks(pid: int) -> int:
    """Processor time of a process, in the system's ticks (proc(5), fields 14 and 15)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it needs Linux' /proc")
async def test_they_compute_until_the_block_is_left() -> None:
    before = children()
    with neighbours(2):
        started = children() - before
        assert len(started) == 2
        assert all(os.getsid(pid) == pid for pid in started)
        # Coverage, where it measures processes as well, computes in them before they do.
        await until(lambda: all(os.getpriority(os.PRIO_PROCESS, pid) == 19 for pid in started))
        polite = {pid: ticks(pid) for pid in started}
        await until(lambda: all(ticks(pid) > then + 10 for pid, then in polite.items()))
    assert not children() & started
