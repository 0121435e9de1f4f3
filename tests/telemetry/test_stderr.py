"""Standard error is ours; crashes still show there."""

import subprocess
import sys

from tests.service.conftest import ROOT

PROGRAM = """
import os, sys
from app.telemetry.stderr import silence_libraries
silence_libraries()
os.write(2, b"a library")
print("ourselves", file=sys.stderr)
os.abort()
"""


def test_libraries_are_silent_and_crashes_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "a library" not in done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert first == "ourselves"
    assert second == "Fatal Python error: Aborted"
