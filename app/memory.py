"""What keeps memory flat in a server that runs for months.

Settings, pages that are taken beforehand, and answers apart from images.
"""

import contextlib
import ctypes
import gc
import mmap
from typing import Final

import numpy as np

# glibc, malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

# A thread's arena takes some 20 MB for an overlay of full HD, and once in some 10,000 images, where
# something small is in the way, an array of 1.2 MB more.
_BLOCK_BYTES: Final = 8 * 2**20
_BLOCKS: Final = 3

_SETTINGS: Final = (
    # Each thread has an arena of its own. Two that share one need more of it once both are at their
    # largest in the same moment, which may take hours to come.
    (_M_ARENA_MAX, 256),
    # Pixels of large images come straight from the system and go back at once. Left alone, glibc
    # raises this threshold to the largest block that was ever freed, and the heap fills with holes.
    # Those of full HD and less are used again: to have pages cleared and mapped anew each time
    # takes longer than to decode into them.
    (_M_MMAP_THRESHOLD, 16 * 2**20),
    (_M_TRIM_THRESHOLD, 32 * 2**20),
)

# What is smaller fits into the holes that are there.
_APART_BYTES: Final = 64 * 1024

# A full line is some 30,000 objects, none of which is garbage.
_YOUNG_OBJECTS: Final = 50_000


def keep_memory_flat() -> bool:
    """Tell glibc's allocator to return memory, and the collector to run rarely.

    No request leaves a circle of references behind, and with Python's own threshold of 700 objects
    the collector would go through those of all requests in line again and again, for up to a tenth
    of a second in which nothing else runs. Must be called before threads that compute start.

    Returns:
        Whether the allocator took every setting; False where it is not glibc's.
    """
    gc.set_threshold(_YOUNG_OBJECTS)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(option, value) == 1 for option, value in _SETTINGS]
    return all(taken)


def touch_pages() -> None:
    """Have the calling thread's arena hold what 8-bit images up to full HD will take of it.

    So memory is as large from the beginning as it will be, and no image waits for its pages. Larger
    images take more, and give all of it back. The thread should have decoded an image before: what
    NumPy keeps of its first arrays would lie between the pages. Where there is not enough memory
    nothing is taken.
    """
    with contextlib.suppress(MemoryError):
        for block in [np.empty(_BLOCK_BYTES, np.uint8) for _ in range(_BLOCKS)]:
            block.fill(1)


def apart(data: bytes) -> bytes | memoryview:
    """Move what will outlive its image to memory of its own, if it is large.

    The pixels of one image after the other take the same memory of the allocator's. An answer that
    still waits for its caller there would be in the way of the next image: now and then one finds
    no hole, and the heap grows, for good.

    Args:
        data: What was made of an image.

    Returns:
        The same bytes; `data` itself if it is small, or the system has no such memory left.
    """
    if len(data) < _APART_BYTES:
        return data
    try:
        memory = mmap.mmap(-1, len(data), access=mmap.ACCESS_COPY)
    except OSError:
        return data
    # Not `memory.write`, which keeps the interpreter's lock for every page that it touches first.
    ctypes.memmove(ctypes.byref(ctypes.c_char.from_buffer(memory)), data, len(data))
    return memoryview(memory).toreadonly()
