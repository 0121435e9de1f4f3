"""Other programs on the same machine, which compute all the time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# As a training does it: with every core, at the lowest priority.
_COMPUTE: Final = """
import os
os.nice(19)
import numpy
a = numpy.ones((512, 512))
while True:
    a @ a
"""


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Have so many processes compute, with all cores each, until the block is left.

    Each is a session of its own, as a container or another user's program is: Linux then shares the
    cores between it and us, whatever the priorities.
    """
    processes = [
        subprocess.Popen((sys.executable, "-c", _COMPUTE), start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
