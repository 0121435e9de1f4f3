"""Docker and Compose, driven by their commands as a person would."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

TAG = "e2e"
CPU = f"polypseg:{TAG}-cpu"
CPU_TENSORFLOW = f"polypseg:{TAG}-cpu-tensorflow"
PROXY = f"polypseg-proxy:{TAG}"
PROMETHEUS = f"polypseg-prometheus:{TAG}"

# Keeps a figure, by its name, for the summary at the end of a run.
Note = Callable[[str, str], None]

_BUILD_S = 1500
_COMMAND_S = 600
_PATIENCE_S = 180
_PAUSE_S = 0.2


def run(
    *command: str | Path, check: bool = True, limit_s: float = _COMMAND_S, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command, keeping what it prints.

    Raises:
        AssertionError: It fails; the message ends with what it printed.
        subprocess.TimeoutExpired: It takes longer than it may.
    """
    done = subprocess.run(
        command, text=True, capture_output=True, check=False, timeout=limit_s, **options
    )
    if check and done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        words = " ".join(map(str, command))
        raise AssertionError(f"'{words[:200]}' ends with {done.returncode}:\n{output}")
    return done


def wait_until(condition: Callable[[], object]) -> None:
    """Block until a condition holds; what is waited for takes seconds.

    Raises:
        TimeoutError: It does not, for much longer than it should take.
    """
    end = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(_PAUSE_S)


def docker(*arguments: str, check: bool = True) -> str:
    """Run a docker command and return its standard output, without the last line break."""
    return run("docker", *arguments, check=check).stdout.rstrip("\n")


def inspect(thing: str) -> dict[str, Any]:
    """Return what the engine knows of a container or an image."""
    found: dict[str, Any] = json.loads(docker("inspect", thing))[0]
    return found


def inside(container: str, *command: str) -> str:
    """Run a command in a container and return its standard output."""
    return docker("exec", container, *command)


def python(container: str, program: str) -> str:
    """Run a Python program in a container and return its standard output."""
    return inside(container, "python3", "-c", program)


def memory(container: str) -> str:
    """Return how much memory a container uses now, as a person reads it."""
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container)
    return used.partition(" /")[0]


def run_once(image: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """Run a container to its end and return its standard output."""
    return docker("run", "--rm", *options, image, *arguments)


@dataclass
class Project:
    """One run of `docker compose` on a checkout.

    Attributes:
        checkout: The folder with the compose file.
        name: Name of the project, which its containers and networks begin with.
        settings: What a person would write into `.env`.
        profiles: Which profiles are on.
    """

    checkout: Path
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command; of this machine's only what programs are found by."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {
            **kept,
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_PROFILES": ",".join(self.profiles),
            "DEPLOY_TAG": TAG,
            **self.settings,
        }

    def run(
        self, *command: str, check: bool = True, limit_s: float = _COMMAND_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout with the settings of this project."""
        return run(*command, check=check, limit_s=limit_s, cwd=self.checkout, env=self.environment)

    def compose(self, *arguments: str) -> str:
        """Run a compose command and return its standard output."""
        return self.run("deploy/compose", *arguments).stdout

    def build(self, service: str, *options: str) -> None:
        """Build the image of a service."""
        self.run("deploy/compose", "build", *options, service, limit_s=_BUILD_S)

    def up(self, *services: str) -> float:
        """Start services, all of them if none is named, and wait until they are healthy.

        Returns:
            How many seconds that took.
        """
        began = time.monotonic()
        self.compose("up", "--wait", *services)
        return time.monotonic() - began

    def down(self) -> None:
        """Remove the containers, networks and volumes of this project."""
        self.run("deploy/compose", "down", "--volumes", "--remove-orphans", "--timeout", "60")

    def containers(self, service: str = "polypseg") -> list[str]:
        """Return the ids of the running containers of a service."""
        return self.compose("ps", "--quiet", service).split()

    def address(self, service: str = "polypseg", port: int = 8000, replica: int = 0) -> str:
        """Return host and port under which this machine reaches a service."""
        published = docker("port", self.containers(service)[replica], str(port)).splitlines()[0]
        return f"localhost:{published.rpartition(':')[2]}"


class NewProject(Protocol):
    """Makes a project with a name, the profiles that are on, and settings."""

    def __call__(self, name: str, *profiles: str, **settings: str) -> Project: ...


def project_logs(container: str) -> list[dict[str, Any]]:
    """Return the JSON lines that a container printed."""
    done = run("docker", "logs", container)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
