"""Where the images cannot be built, the proof of them says why, and nothing fails."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.programs import DEPLOY, start

ANSWERS = """#!/bin/sh
case "$*" in
  version | "compose version" | "image ls"*) exit 0 ;;
  *) exit 1 ;;
esac
"""
FAILS = "#!/bin/sh\necho cannot >&2\nexit 1\n"


@pytest.mark.parametrize(
    ("docker", "reason"),
    [(FAILS, "no Docker engine answers."), (ANSWERS, "there is no debian:trixie-slim.")],
)
def test_is_left_out_with_a_reason(tmp_path: Path, docker: str, reason: str) -> None:
    done = start("test-docker", tmp_path, docker=docker, debootstrap=FAILS)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"The proof of the images is left out: {reason}"


def test_is_left_out_without_docker(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        [DEPLOY / "test-docker"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The proof of the images is left out: docker is not installed.\n"
