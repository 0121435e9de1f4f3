"""What stands in `.env` reaches the service, and the example can be used as it is."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.docker.project import NewProject, python

pytestmark = pytest.mark.docker


def settings(container: str) -> dict[str, str]:
    """Return the settings of the service that programs in a container find."""
    found = json.loads(python(container, "import json, os; print(json.dumps(dict(os.environ)))"))
    return {name: value for name, value in found.items() if name.startswith("POLYPSEG_")}


def test_every_line_of_the_example_can_be_used(projects: NewProject, checkout: Path) -> None:
    """All of them as they stand, but one that has another value, and a port that is free."""
    example = (checkout / ".env.example").read_text()
    given = dict(re.findall(r"^# ([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    given["POLYPSEG_DEADLINE_MS"] = "7777"
    project = projects("settings")
    env = checkout / ".env"
    env.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    try:
        project.up()
        (container,) = project.containers()
    finally:
        env.unlink()
    # These two say where the machine listens.
    inside = {name for name in given if name.startswith("POLYPSEG_")} - {
        *("POLYPSEG_HOST", "POLYPSEG_PORT")
    }
    found = settings(container)
    assert {name: found[name] for name in inside} == {name: given[name] for name in inside}


def test_what_is_not_given_is_left_to_the_service(container: str) -> None:
    assert settings(container) == {
        "POLYPSEG_HOST": "0.0.0.0",  # noqa: S104 - of the container
        "POLYPSEG_API_KEYS_FILE": "/run/secrets/api_keys",
    }
