"""Real services: subprocesses on ports that the system picks, and real HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from app.imaging import phantom
from app.settings import PREFIX
from tests.bundles import write_tiny_bundle
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "app", "serve"]
HELD = [sys.executable, "-m", "tests.service.held", "serve"]


def _without_settings() -> dict[str, str]:
    """Return the environment, but for settings of whoever runs the tests."""
    return {
        name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)
    }


class Service:
    """A process, what it wrote, and how to talk to it."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.folder = folder
        self._log, self._errors = folder / "stdout", folder / "stderr"
        self.began = time.monotonic()
        with self._log.open("w") as log, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**_without_settings(), "POLYPSEG_PORT": "0", **environment},
                stdout=log,
                stderr=errors,
            )
        # A connection is kept for as long as a test waits for something else, and leads to the
        # service, not to a proxy that the environment names.
        self.client = httpx.Client(
            timeout=30, limits=httpx.Limits(keepalive_expiry=None), trust_env=False
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log that are complete."""
        complete, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    @property
    def output(self) -> str:
        """Everything that the process wrote."""
        return self._log.read_text() + self._errors.read_text()

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.read_text()

    @property
    def port(self) -> int:
        """The port that the system picked."""
        return next(int(line["port"]) for line in self.lines if line["event"] == "listening")

    def url(self, path: str) -> str:
        """Return an address of the service."""
        return f"http://127.0.0.1:{self.port}{path}"

    def wait_listening(self) -> "Service":
        """Wait until it accepts connections."""
        wait_until(lambda: '"listening"' in self._log.read_text() or self._ended())
        return self

    def wait_ready(self) -> "Service":
        """Wait until it is ready."""
        self.wait_listening()
        wait_until(lambda: self.get("/health/ready").status_code == 200 or self._ended())
        return self

    def wait_log(self, **fields: object) -> dict[str, Any]:
        """Wait for a log line with these fields and return it."""

        def matching() -> list[dict[str, Any]]:
            return [line for line in self.lines if fields.items() <= line.items()]

        wait_until(matching)
        return matching()[0]

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        """GET on a connection that is kept."""
        return self.client.get(self.url(path), **kwargs)

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        """POST on a connection that is kept."""
        return self.client.post(self.url(path), **kwargs)

    def kill(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout=30)

    def close(self) -> None:
        """End it in any case."""
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _ended(self) -> bool:
        assert self.process.poll() is None, self.output
        return False

    # Of a service that is held

    def hold(self, what: str) -> None:
        """Hold `loading` or `running`."""
        (self.folder / what).touch()

    def release(self, what: str) -> None:
        """Let it go on."""
        (self.folder / what).unlink()

    @property
    def runs(self) -> int:
        """Images that the engine has begun to run since `forget`."""
        journal = self.folder / "journal"
        return len(journal.read_text().splitlines()) if journal.exists() else 0

    def forget(self) -> None:
        """Forget the runs of the warm-up."""
        (self.folder / "journal").unlink(missing_ok=True)


Start = Callable[..., Service]


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """Nor do requests that a test sends without `Service` go to a proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def bundle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny bundle."""
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    return root


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path) -> Iterator[Start]:
    """Start a service with settings of one's own; nothing is waited for."""
    with ExitStack() as stack:

        def begin(
            command: list[str] = COMMAND, *, holds: tuple[str, ...] = (), **settings: object
        ) -> Service:
            folder = tmp_path_factory.mktemp("service")
            for what in holds:
                (folder / what).touch()
            environment = {"POLYPSEG_MODEL": str(bundle_root), "HELD_FOLDER": str(folder)}
            environment |= {f"POLYPSEG_{n.upper()}": str(v) for n, v in settings.items()}
            service = Service(folder, command, environment)
            stack.callback(service.close)
            return service

        yield begin


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path) -> Iterator[Service]:
    """A service with the default settings that is ready."""
    service = Service(
        tmp_path_factory.mktemp("service"), COMMAND, {"POLYPSEG_MODEL": str(bundle_root)}
    )
    try:
        yield service.wait_ready()
    finally:
        service.close()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A generated phantom of 720 x 576 pixels."""
    pixels, _ = phantom(576, 720, seed=1)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[:, :, ::-1]))
    return bytes(data)
