"""The locks hold everything, so that nobody's resolver has a say in what is installed."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "file", ["Dockerfile", "deploy/tools", "requirements/install", "benchmarks/environments.py"]
)
def test_who_installs_by_hash_resolves_nothing(file: str) -> None:
    """Pip would ask for a newer `coverage[toml]` than the `coverage` that is pinned."""
    options = re.findall(r"--[a-z-]+", (ROOT / file).read_text())
    pairs = list(pairwise(options))
    installs = options.count("--require-hashes")
    assert installs > 0
    both = ("--no-deps", "--require-hashes")
    assert pairs.count(both) + pairs.count(both[::-1]) == installs


def test_nothing_is_missing_from_the_lock_of_this_environment() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout
