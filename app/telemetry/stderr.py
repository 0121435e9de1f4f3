"""Keeps standard error for ourselves: what libraries in C print there is no log line."""

import faulthandler
import os
import sys
from typing import Final

_STDERR: Final = 2


def silence_libraries() -> None:
    """Drop what is not written through `sys.stderr`, for the rest of the process.

    libpng and libjpeg print warnings, and libpng quotes the name of a colour profile, which may be
    that of a patient. A crash is still told, by the stacks of all threads.
    """
    sys.stderr.flush()
    ours = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    sys.stderr = os.fdopen(ours, "w", buffering=1, errors="backslashreplace")
    faulthandler.enable(sys.stderr)
