"""What the Docker proof stands on: an engine, a fresh checkout, and the images built from it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from app.imaging import phantom
from tests.e2e.docker.project import CPU, NewProject, Project, docker, inspect, run

ROOT = Path(__file__).parents[3]
BASE = "debian:trixie-slim"


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """Skip everything where nothing can be built."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers")
    if subprocess.run(
        ["docker", "image", "inspect", BASE], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"the engine has no {BASE}: 'make test-docker' fetches or makes it")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows of this tree: no environment, no `.env`, nothing built."""
    path = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    return path


@pytest.fixture(scope="session")
def build_settings() -> dict[str, str]:
    """What a build on this machine needs, and what its labels say."""
    labels = run(ROOT / "deploy/release").stdout.split()
    return {
        "BUILD_CA_CERTIFICATES": run(ROOT / "deploy/host-certificates").stdout,
        **dict(label.split("=", 1) for label in labels),
    }


@pytest.fixture(scope="session")
def cpu_image(checkout: Path, build_settings: dict[str, str]) -> str:
    """The name of the image `cpu`, built."""
    Project(checkout, "polypseg-e2e-build", build_settings).compose("build", "polypseg")
    return CPU


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A generated frame with a polyp, 720x576, as JPEG."""
    pixels, _ = phantom(576, 720)
    return cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()


@pytest.fixture(scope="module")
def projects(checkout: Path, cpu_image: str) -> Iterator[NewProject]:
    """Makes projects that are gone when the tests of a module are over."""
    made: list[Project] = []

    def new(name: str, *profiles: str, **settings: str) -> Project:
        assert inspect(cpu_image)
        project = Project(
            checkout, f"polypseg-e2e-{name}", {"POLYPSEG_PORT": "0", **settings}, profiles
        )
        made.append(project)
        return project

    yield new
    for project in made:
        project.down()


@pytest.fixture(scope="module")
def service(projects: NewProject) -> Project:
    """The service as `docker compose up --wait` starts it, on a port that is free."""
    project = projects("service")
    project.up()
    return project


@pytest.fixture
def container(service: Project) -> str:
    """The id of the one container of the service."""
    (found,) = service.containers()
    assert docker("inspect", "--format", "{{.State.Health.Status}}", found) == "healthy"
    return found
