"""Print what an image is made of, as a CycloneDX 1.6 bill of materials.

Runs inside the image, with the standard library alone: Debian's packages, Python's packages with
what each depends on, and the model with the hashes of its files.
"""

import json
import os
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

_MODELS = Path("models")
_DPKG = Path("/var/lib/dpkg/status")
_RELEASE = Path("/etc/os-release")

Component = dict[str, Any]


def debian_packages(status: str, release: str) -> list[Component]:
    """Read dpkg's data base.

    Args:
        status: Text of ``/var/lib/dpkg/status``.
        release: The distribution and its version, such as ``debian-13``.
    """
    found = []
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"].replace("+", "%2B")
        purl = f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}&distro={release}"
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": fields["Version"],
                "purl": purl,
            }
        )
    return found


def python_package(distribution: Distribution) -> Component:
    """Describe an installed package."""
    name, version = _normal(distribution.name), distribution.version
    component: Component = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        component["licenses"] = [{"expression": metadata["License-Expression"]}]
    elif "License" in metadata and (text := metadata["License"].strip()):
        component["licenses"] = [{"license": {"name": text.splitlines()[0]}}]
    return component


def python_dependencies(installed: list[Distribution]) -> list[Component]:
    """Say which package needs which, of those that are there."""
    versions = {_normal(d.name): d.version for d in installed}
    graph = []
    for distribution in installed:
        name = _normal(distribution.name)
        # Whoever needs something that is not there has named it for another system or as an extra.
        needed = {_normal(_name(line)) for line in distribution.requires or ()} & versions.keys()
        graph.append(
            {
                "ref": f"pkg:pypi/{name}@{versions[name]}",
                "dependsOn": sorted(f"pkg:pypi/{n}@{versions[n]}" for n in needed - {name}),
            }
        )
    return graph


def models(folder: Path) -> list[Component]:
    """Describe every version of every bundle, with the hashes that its manifest gives."""
    found = []
    for path in sorted(folder.glob("*/*/manifest.json")):
        manifest = json.loads(path.read_text("utf-8"))
        reference = f"model:{manifest['name']}@{manifest['version']}"
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": reference,
                "name": manifest["name"],
                "version": manifest["version"],
                "components": [
                    {
                        "type": "file",
                        "bom-ref": f"{reference}/{name}",
                        "name": name,
                        "hashes": [{"alg": "SHA-256", "content": digest}],
                    }
                    for name, digest in sorted(manifest["files"].items())
                ],
            }
        )
    return found


def bill() -> dict[str, Any]:
    """Return the bill of materials of the system that this runs in."""
    release = dict(re.findall(r"^(\w+)=\"?([^\"\n]*)", _RELEASE.read_text(), re.MULTILINE))
    by_name = {_normal(d.name): d for d in distributions()}
    installed = [by_name[name] for name in sorted(by_name)]
    service = python_package(by_name["polypseg"])
    components = [
        *(python_package(d) for d in installed if _normal(d.name) != "polypseg"),
        *debian_packages(_DPKG.read_text("utf-8"), f"{release['ID']}-{release['VERSION_ID']}"),
        *models(_MODELS),
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**service, "type": "application"}},
        "components": components,
        "dependencies": python_dependencies(installed),
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    os.chdir("/srv")
    json.dump(bill(), sys.stdout, indent=2)
    sys.stdout.write("\n")
