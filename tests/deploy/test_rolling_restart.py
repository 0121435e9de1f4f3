"""Which replicas a rolling restart stops, and in which order, with an engine that is made up."""

from collections.abc import Mapping
from pathlib import Path

from tests.deploy.programs import start

# Every container is a file with its state.
DOCKER = """#!/bin/sh
cd "$(dirname "$0")/containers"
case "$*" in
  "compose version") ;;
  *" ps --quiet proxy") ;;
  *" ps --quiet polypseg") ls ;;
  *" config") cat ../config ;;
  *" up --detach "*) echo running healthy >"new-$(wc -l <../stopped)" ;;
  "image inspect ours:1") [ -f ../image ] ;;
  "inspect --format {{.Name}} "*) echo "/$4" ;;
  "inspect --format {{.State.ExitCode}} "*) echo 0 ;;
  "inspect --format "*) cat "$4" ;;
  "stop "*) echo "$2" >>../stopped ;;
  "rm "*) rm "$2" ;;
  *) exit 1 ;;
esac
"""

CONFIG = """
networks:
  polypseg: {}
services:
  polypseg:
    build:
      args:
        image: none
    image: "ours:1"
  proxy:
    image: other
"""


def restart(folder: Path, replicas: Mapping[str, str]) -> tuple[list[str], str, list[str]]:
    """Restart replicas, given by name and state.

    Returns:
        What was printed, what was printed of errors, and the replicas that were stopped.
    """
    (folder / "config").write_text(CONFIG)
    (folder / "containers").mkdir()
    for name, state in replicas.items():
        (folder / "containers" / name).write_text(f"{state}\n")
    (folder / "stopped").touch()
    done = start("rolling-restart", folder, docker=DOCKER)
    assert done.returncode == bool(done.stderr)
    return done.stdout.splitlines(), done.stderr, (folder / "stopped").read_text().split()


def test_an_image_that_is_not_there_stops_no_replica(tmp_path: Path) -> None:
    output, errors, stopped = restart(tmp_path, {"a": "running healthy"})
    assert errors == "rolling-restart: there is no image ours:1: build it first\n"
    assert (output, stopped) == ([], [])


def test_replicas_that_do_not_serve_go_first(tmp_path: Path) -> None:
    (tmp_path / "image").touch()
    output, errors, stopped = restart(
        tmp_path,
        {
            "a": "running healthy",
            "b": "restarting unhealthy",
            "c": "running healthy",
            "d": "running starting",
            "e": "created ",
        },
    )
    assert errors == ""
    assert stopped == ["b", "d", "e", "a", "c"]
    assert [line for line in output if line.startswith("Ready")] == [
        f"Ready: new-{n}" for n in range(1, 6)
    ]


def test_no_replica_is_one_line(tmp_path: Path) -> None:
    assert restart(tmp_path, {}) == ([], "rolling-restart: no replica of polypseg runs\n", [])
