"""Processor time, memory and signals of a process with a child, against what the child does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.process import Tree
from tests.waiting import wait_until

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
child.wait()
"""

_CHILD = """
import time
held = bytearray(64 * 2**20)
for position in range(0, len(held), 4096):
    held[position] = 1
began = time.process_time()
while time.process_time() < began + 0.5:
    pass
print("done", flush=True)
time.sleep(60)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    tree = Tree([sys.executable, "-c", _PARENT, _CHILD], {}, tmp_path / "log")
    wait_until(lambda: "done" in tree.log.read_text())
    yield tree
    tree.stop()


def test_children_count(tree: Tree) -> None:
    assert len(tree.pids) == 2
    assert tree.cpu() >= 0.5
    assert tree.memory() >= 64 * 2**20


def test_all_of_it_is_paused(tree: Tree) -> None:
    tree.pause()
    wait_until(lambda: [_state(pid) for pid in tree.pids] == ["T", "T"])
    tree.resume()
    wait_until(lambda: "T" not in [_state(pid) for pid in tree.pids])


def test_nothing_is_left(tree: Tree) -> None:
    pids = tree.pids
    tree.pause()
    tree.stop()
    wait_until(lambda: all(_state(pid) in {"", "Z"} for pid in pids))


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
