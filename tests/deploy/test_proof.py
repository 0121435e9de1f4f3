"""Where the images cannot be built, the proof of them says why, and nothing fails."""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "deploy/test-docker"

ANSWERS = """#!/bin/sh
case "$*" in
  version | "compose version" | "image ls"*) exit 0 ;;
  *) exit 1 ;;
esac
"""
FAILS = "#!/bin/sh\necho cannot >&2\nexit 1\n"


def prove(folder: Path, **programs: str) -> tuple[int, str]:
    """Start the proof where these programs stand before all others."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [PROGRAM],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("docker", "reason"),
    [(FAILS, "no Docker engine answers."), (ANSWERS, "there is no debian:trixie-slim.")],
)
def test_is_left_out_with_a_reason(tmp_path: Path, docker: str, reason: str) -> None:
    code, output = prove(tmp_path, docker=docker, debootstrap=FAILS)
    assert code == 0
    assert output.splitlines()[-1] == f"The proof of the images is left out: {reason}"


def test_is_left_out_without_docker(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        [PROGRAM], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The proof of the images is left out: docker is not installed.\n"
