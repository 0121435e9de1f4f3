"""What is in the images, and what is not."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from app import __version__
from tests.e2e.docker.project import docker, inspect, run_once

pytestmark = pytest.mark.docker

MOST_BYTES = 450_000_000
BUILD_TOOLS = {"hatchling", "editables", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}


def run_shell(image: str, script: str) -> str:
    return run_once(image, "-c", script, options=("--entrypoint", "sh", "--user", "0"))


def run_python(image: str, program: str) -> str:
    return run_once(image, "-c", program, options=("--entrypoint", "python3"))


def test_is_small(cpu_image: str) -> None:
    size = inspect(cpu_image)["Size"]
    assert size <= MOST_BYTES, docker("history", cpu_image)


def test_labels_tell_version_commit_and_model(cpu_image: str, checkout: Path, commit: str) -> None:
    labels = inspect(cpu_image)["Config"]["Labels"]
    versions = (checkout / "models/polyp-unet").iterdir()
    newest = max(versions, key=lambda path: int(path.name))
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == commit
    assert (
        labels["polypseg.model.sha256"]
        == hashlib.sha256((newest / "manifest.json").read_bytes()).hexdigest()
    )


def test_has_the_pinned_packages_and_no_others(cpu_image: str, checkout: Path) -> None:
    program = (
        "import json; from importlib.metadata import distributions;"
        "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in distributions()}))"
    )
    installed = json.loads(run_python(cpu_image, program))
    assert installed.pop("polypseg") == __version__
    pins = re.findall(
        r"^([a-z0-9-]+)==([^ ]+)", (checkout / "requirements/core.txt").read_text(), re.MULTILINE
    )
    assert set(installed.items()) <= set(pins)
    assert not installed.keys() & BUILD_TOOLS
    assert "onnxruntime" in installed


def test_has_what_its_packages_need(cpu_image: str) -> None:
    program = (
        "from importlib.metadata import distributions, version\n"
        "from packaging.requirements import Requirement\n"
        "for d in distributions():\n"
        "    for line in d.requires or []:\n"
        "        need = Requirement(line)\n"
        "        if not need.marker or need.marker.evaluate({'extra': ''}):\n"
        "            assert version(need.name) in need.specifier, (d.name, line)\n"
    )
    run_python(cpu_image, program)


@pytest.mark.parametrize("tool", ["gcc", "cc", "make", "pip", "pip3", "strip", "git", "curl"])
def test_has_no_build_tool(cpu_image: str, tool: str) -> None:
    assert run_shell(cpu_image, f"command -v {tool} || echo none") == "none"


@pytest.mark.parametrize("module", ["tensorflow", "pip", "ensurepip", "hatchling", "pytest"])
def test_cannot_import(cpu_image: str, module: str) -> None:
    program = f"import importlib.util as u; print(u.find_spec({module!r}) is None)"
    assert run_python(cpu_image, program) == "True"


def test_holds_no_caches_and_no_pictures(cpu_image: str) -> None:
    leftovers = run_shell(
        cpu_image,
        "find /var/lib/apt/lists /var/cache/apt /root/.cache /tmp /build -type f 2>/dev/null;"
        "find / -xdev -iname '*.jp*g' -o -xdev -iname '*.tif*' -o -xdev -iname '*.bmp'"
        " -o -xdev -iname '*.tfrecord*'",
    )
    assert leftovers == ""


def test_keeps_nothing_of_the_machine_that_built_it(
    cpu_image: str, build_settings: dict[str, str]
) -> None:
    """Neither the history nor the files have the certificates that the build was given."""
    given = build_settings["BUILD_CA_CERTIFICATES"]
    if not given:
        pytest.skip("this machine trusts no certificates of its own")
    line = max(given.splitlines(), key=len)
    assert line not in docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", cpu_image)
    assert line not in json.dumps(inspect(cpu_image))
    found = run_shell(cpu_image, f"grep -rlF '{line}' /etc /opt /srv /usr/share /var || echo none")
    assert found == "none"


def test_runs_as_a_user_who_owns_nothing_of_it(cpu_image: str) -> None:
    assert inspect(cpu_image)["Config"]["User"] == "polypseg"
    owned = run_shell(cpu_image, "find / -xdev -user polypseg ! -path '/proc/*'")
    assert owned.split() == ["/var/cache/polypseg"]
    assert run_shell(cpu_image, "find /opt /srv -perm /o+w ! -type l") == ""


def test_tells_how_to_serve_it(cpu_image: str) -> None:
    config = inspect(cpu_image)["Config"]
    assert config["Entrypoint"] == ["tini", "--", "polypseg"]
    assert config["Cmd"] == ["serve"]
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
