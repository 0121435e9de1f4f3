"""The bill of materials names what is in the image: nothing is missing, nothing is made up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.project import run, run_once

pytestmark = pytest.mark.docker

PROGRAM = Path(__file__).parents[3] / "deploy/sbom.py"


@pytest.fixture(scope="module")
def bill(cpu_image: str) -> dict[str, Any]:
    """The bill of materials of the image `cpu`."""
    command = ("docker", "run", "--rm", "--interactive", "--network", "none")
    done = run(
        *(*command, "--entrypoint", "python3", cpu_image, "-"), input=PROGRAM.read_text("utf-8")
    )
    written: dict[str, Any] = json.loads(done.stdout)
    return written


def versions(bill: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return name and version of the components whose package URL begins with a prefix."""
    return {
        component["name"]: component["version"]
        for component in bill["components"]
        if component.get("purl", "").startswith(prefix)
    }


def test_names_every_package_of_debian(bill: dict[str, Any], cpu_image: str) -> None:
    listed = run_once(
        cpu_image, "-W", "-f", "${Package} ${Version}\n", options=("--entrypoint", "dpkg-query")
    )
    assert versions(bill, "pkg:deb/") == dict(line.split() for line in listed.splitlines())


def test_names_every_package_of_python(bill: dict[str, Any], checkout: Path) -> None:
    pins = re.findall(
        r"^([a-z0-9-]+)==([^ ]+)", (checkout / "requirements/core.txt").read_text(), re.MULTILINE
    )
    named = versions(bill, "pkg:pypi/")
    assert set(named.items()) <= set(pins)
    assert {"fastapi", "onnxruntime", "numpy", "opencv-python-headless"} <= named.keys()


def test_knows_who_needs_whom(bill: dict[str, Any]) -> None:
    references = {component["bom-ref"] for component in bill["components"]}
    references.add(bill["metadata"]["component"]["bom-ref"])
    graph = {entry["ref"]: set(entry["dependsOn"]) for entry in bill["dependencies"]}
    assert graph.keys() <= references
    assert set.union(*graph.values()) <= references
    (service,) = (needs for ref, needs in graph.items() if ref.startswith("pkg:pypi/polypseg@"))
    assert any(ref.startswith("pkg:pypi/onnxruntime@") for ref in service)


def test_names_the_model_with_the_hashes_of_its_files(bill: dict[str, Any], checkout: Path) -> None:
    shipped = (checkout / "models/polyp-unet").glob("*/manifest.json")
    manifests = [json.loads(path.read_text()) for path in shipped]
    models = [c for c in bill["components"] if c["type"] == "machine-learning-model"]
    assert len(models) == len(manifests) > 0
    for manifest in manifests:
        (model,) = (m for m in models if m["version"] == manifest["version"])
        files = {file["name"]: file["hashes"][0]["content"] for file in model["components"]}
        assert files == manifest["files"]
