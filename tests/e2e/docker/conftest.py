"""What the Docker proof stands on: an engine, a fresh checkout, and the images built from it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import pytest

from app.imaging import phantom
from tests.e2e.docker.project import (
    CPU,
    CPU_TENSORFLOW,
    PROMETHEUS,
    PROXY,
    NewProject,
    Note,
    Project,
    docker,
    inspect,
    run,
)

ROOT = Path(__file__).parents[3]
BASE = "debian:trixie-slim"

FIGURES = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person who changes a test have the images of the last run."""
    parser.addoption("--cached", action="store_true", help="do not build the images from clean")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures that the tests noted."""
    if figures := config.stash.get(FIGURES, {}):
        terminalreporter.section("figures")
        for name, value in figures.items():
            terminalreporter.line(f"{name}: {value}")


@pytest.fixture(scope="session")
def note(request: pytest.FixtureRequest) -> Note:
    """Keeps figures for the summary."""
    return request.config.stash.setdefault(FIGURES, {}).__setitem__


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
def commit() -> str:
    """What is built; somebody may commit while the tests run."""
    return run("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip()


@pytest.fixture(scope="session")
def build_settings(commit: str) -> dict[str, str]:
    """What a build on this machine needs, and what its labels say."""
    assert commit
    labels = run(ROOT / "deploy/release").stdout.split()
    return {
        "BUILD_CA_CERTIFICATES": run(ROOT / "deploy/host-certificates").stdout,
        **dict(label.split("=", 1) for label in labels),
    }


class Build(Protocol):
    """Builds the image of a service and returns its name."""

    def __call__(self, name: str, service: str, *options: str, **settings: str) -> str: ...


@pytest.fixture(scope="session")
def build(checkout: Path, build_settings: dict[str, str], note: Note) -> Build:
    """Builds images as `docker compose build` does."""

    def image(name: str, service: str, *options: str, **settings: str) -> str:
        began = time.monotonic()
        project = Project(checkout, "polypseg-e2e-build", {**build_settings, **settings})
        project.build(service, *options)
        note(f"{name}, built", f"{time.monotonic() - began:.0f} s")
        note(f"{name}, size", f"{inspect(name)['Size'] / 1e6:.0f} MB")
        return name

    return image


@pytest.fixture(scope="session")
def from_clean(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The option that keeps a build from using what earlier ones left."""
    return () if request.config.getoption("--cached", default=False) else ("--no-cache",)


@pytest.fixture(scope="session")
def cpu_image(build: Build, from_clean: tuple[str, ...]) -> str:
    """The name of the image `cpu`, built from clean."""
    return build(CPU, "polypseg", *from_clean)


@pytest.fixture(scope="session")
def cpu_tensorflow_image(build: Build, from_clean: tuple[str, ...]) -> str:
    """The name of the image `cpu-tensorflow`, built from clean."""
    return build(CPU_TENSORFLOW, "polypseg", *from_clean, DEPLOY_TARGET="cpu-tensorflow")


@pytest.fixture(scope="session")
def proxy_image(build: Build) -> str:
    """The name of the proxy's image, built."""
    return build(PROXY, "proxy")


@pytest.fixture(scope="session")
def prometheus_image(build: Build) -> str:
    """The name of Prometheus' image, built."""
    return build(PROMETHEUS, "prometheus")


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
def service(projects: NewProject, note: Note) -> Project:
    """The service as `docker compose up --wait` starts it, on a port that is free."""
    project = projects("service")
    note("cpu, from up to healthy", f"{project.up():.1f} s")
    return project


@pytest.fixture
def container(service: Project) -> str:
    """The id of the one container of the service."""
    (found,) = service.containers()
    assert docker("inspect", "--format", "{{.State.Health.Status}}", found) == "healthy"
    return found
