"""The first signal asks, the second one insists."""

import signal
import subprocess
import sys

import pytest

from tests.service.conftest import ROOT

PROGRAM = """
import os, signal, sys
from app.signals import Stop
stop, number = Stop(), int(sys.argv[1])
if sys.argv[2] == "listening":
    stop.listen(lambda: print("asked", flush=True))
os.kill(os.getpid(), number)
print("goes on", flush=True)
os.kill(os.getpid(), number)
print("never reached", flush=True)
"""


def run(number: signal.Signals, state: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number)), state],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(number: signal.Signals) -> None:
    assert run(number, "listening") == (128 + number, "asked\ngoes on\n")
    assert run(number, "starting") == (0, "")
