"""The allocator is told to return memory, where it is glibc's; large answers do without it."""

import ctypes
import errno
import json
import mmap
import subprocess
import sys

import pytest

from app import memory
from tests.service.conftest import ROOT

# Asks glibc itself. Left alone, it keeps a freed block of 20 MB, takes the next large one from its
# heap instead of from the system, and has at most so many arenas.
PROGRAM = """
import ctypes, json, os, re, sys, threading
from app.memory import keep_memory_flat
if sys.argv[1] == "flat":
    assert keep_memory_flat()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.open_memstream.restype = ctypes.c_void_p

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    ).split()]

libc.mallinfo2.restype = Info
libc.free(libc.malloc(20_000_000))
before = libc.mallinfo2().hblkhd
block = libc.malloc(18_000_000)
mapped = libc.mallinfo2().hblkhd - before >= 18_000_000
libc.free(block)

threads = min(250, 8 * os.cpu_count() + 20)  # stock glibc has at most 8 arenas a core
ready, done = threading.Barrier(threads + 1), threading.Event()
def work():
    libc.free(libc.malloc(1000))
    ready.wait()
    done.wait()
for _ in range(threads):
    threading.Thread(target=work).start()
ready.wait()
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
libc.malloc_info(0, stream)
libc.fclose(stream)
done.set()
arenas = len(re.findall(b"<heap nr=", text.value))
print(json.dumps({"mapped": mapped, "arenas": arenas, "threads": threads}))
"""


PAGES = """
import json, re, threading
from pathlib import Path
import numpy as np
from app.imaging import decode, phantom_jpeg
from app.memory import keep_memory_flat, touch_pages
keep_memory_flat()

def resident():
    return 1024 * int(re.search(r"Rss:\\s+(\\d+)", Path("/proc/self/smaps_rollup").read_text())[1])

def take(count, size):
    arrays = [np.ones(size, np.uint8) for _ in range(count)]
    return resident()

def work():
    decode(frame)
    before = resident()
    touch_pages()
    after = resident()
    more = take(2, 11 * 2**20) - after
    print(json.dumps({"kept": after - before, "more": more}))

frame = phantom_jpeg(576, 720)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def ask(program: str, *arguments: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,  # what goes wrong in a thread is shown
        text=True,
        check=True,
        timeout=60,
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


GLIBC = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the allocator is not a recent glibc's"
)


@GLIBC
def test_settings_are_taken() -> None:
    stock, flat = ask(PROGRAM, "stock"), ask(PROGRAM, "flat")
    assert not stock["mapped"]
    assert flat["mapped"]
    assert flat["arenas"] > flat["threads"]


@GLIBC
def test_a_thread_holds_the_pages_that_images_will_take() -> None:
    pages = ask(PAGES)
    assert pages["kept"] > 20 * 2**20
    assert pages["more"] < 2**20


@pytest.mark.parametrize("size", [0, 1, 64 * 1024 - 1])
def test_little_stays_where_it_is(size: int) -> None:
    data = bytes(size)
    assert memory.apart(data) is data


@pytest.mark.parametrize("size", [64 * 1024, 1_000_001])
def test_much_goes_to_pages_of_its_own(size: int) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    moved = memory.apart(data)
    assert moved == data
    assert len(moved) == size
    assert isinstance(moved, memoryview)
    assert moved.readonly
    assert isinstance(moved.obj, mmap.mmap)  # not of the allocator


def test_what_finds_no_pages_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    data = bytes(10**6)
    assert memory.apart(data) is data


def test_other_allocators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert memory.keep_memory_flat() is False
