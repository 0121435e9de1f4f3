"""The allocator is told to return memory, where it is glibc's."""

import ctypes
import subprocess
import sys

import pytest

from app import memory
from tests.service.conftest import ROOT

# Allocates and frees blocks as images come and go, in threads, and says what is left.
PROGRAM = """
import random, sys, threading
if sys.argv[1] == "flat":
    from app.memory import keep_memory_flat
    assert keep_memory_flat()
import numpy as np

def work(seed):
    sizes = random.Random(seed)
    for _ in range(150):
        blocks = [np.ones(sizes.randrange(10_000, 6_000_000), np.uint8) for _ in range(4)]
        del blocks

for round in range(2):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) for line in status if line.startswith("VmRSS")))
"""


def resident(mode: str) -> int:
    """Return the KiB that the program still holds at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the allocator is not glibc")
def test_less_is_left_than_without() -> None:
    assert resident("flat") < resident("stock")


def test_other_allocators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert memory.keep_memory_flat() is False
