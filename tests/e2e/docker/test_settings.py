"""What stands in `.env` reaches the service, and the example can be used as it is."""

import re
from pathlib import Path

import pytest

from tests.e2e.docker.project import NewProject, inspect

pytestmark = pytest.mark.docker


def test_every_line_of_the_example_can_be_used(projects: NewProject, checkout: Path) -> None:
    """All of them as they stand, but the ports, and with one value that is another."""
    example = (checkout / ".env.example").read_text()
    given = dict(re.findall(r"^# ([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    given |= {"POLYPSEG_DEADLINE_MS": "7777", "POLYPSEG_PORT": "0"}
    lines = [f"{name}={value}\n" for name, value in given.items()]
    project = projects("settings")
    (checkout / ".env").write_text("".join(lines))
    try:
        project.up()
        (container,) = project.containers()
    finally:
        (checkout / ".env").unlink()
    told = dict(line.split("=", 1) for line in inspect(container)["Config"]["Env"])
    service = {name for name in given if name.startswith("POLYPSEG_")}
    for name in service - {"POLYPSEG_HOST", "POLYPSEG_PORT"}:
        assert told[name] == given[name], name


def test_what_is_not_given_is_left_to_the_service(container: str) -> None:
    names = {line.partition("=")[0] for line in inspect(container)["Config"]["Env"]}
    assert {name for name in names if name.startswith("POLYPSEG_")} == {
        *("POLYPSEG_HOST", "POLYPSEG_API_KEYS_FILE")
    }
