"""The health check of the image, as a program against a real socket."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "deploy/healthcheck.py"


def check(port: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAM],
        env={**os.environ, "POLYPSEG_PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.rstrip("\n")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer(listener: socket.socket, *parts: bytes) -> list[bytes]:
    """Answer one request in parts, from a thread; the request ends up in the list."""
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(4096))
            for part in parts:
                connection.sendall(part)

    threading.Thread(target=serve, daemon=True).start()
    return requests


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_ready(listener: socket.socket) -> None:
    requests = answer(listener, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", b'\r\n{"a"', b": 1}")
    assert check(port_of(listener)) == (0, '{"a": 1}')
    assert requests[0].startswith(b"GET /health/ready HTTP/1.1\r\nHost: ")


def test_not_ready(listener: socket.socket) -> None:
    answer(listener, b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"state": "starting"}')
    assert check(port_of(listener)) == (1, '{"state": "starting"}')


@pytest.mark.parametrize("garbage", [b"", b"200", b"\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_something_else(listener: socket.socket, garbage: bytes) -> None:
    answer(listener, garbage)
    code, line = check(port_of(listener))
    assert code == 1
    assert line == "an empty answer"


def test_nothing_there(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    code, line = check(port)
    assert code == 1
    assert line.startswith("no answer: ")
