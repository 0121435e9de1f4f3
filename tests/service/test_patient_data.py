"""Nothing of a request body shows in logs, in answers or on disk.

Markers are planted wherever a caller can put text, in good and in bad requests. While a large
body is half sent, the open files of the process are looked at. The last test does the same with
a server that does write uploads to disk, and must find it out.
"""

import io
import json
import os
import random
import socket
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from tests.imaging.files import encode, png
from tests.service.conftest import COMMAND, ROOT, Service
from tests.waiting import wait_until

MARKER = "Jane-Doe-1953-04-17"
BOUNDARY = "the-boundary"
LARGE = 3 * 2**20


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the process would put temporary files."""
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, bundle_root: Path, disk: Path
) -> Iterator[Service]:
    """A service that tells as much as it can."""
    environment = {
        "POLYPSEG_MODEL": str(bundle_root),
        "POLYPSEG_LOG_LEVEL": "debug",
        "TMPDIR": str(disk),
    }
    service = Service(tmp_path_factory.mktemp("service"), COMMAND, environment)
    try:
        yield service.wait_ready()
    finally:
        service.close()


def written_files(pid: int) -> set[str]:
    """Return the regular files that a process holds open for writing, deleted ones as well."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            information, link = entry.stat(), entry.lstat()
            if stat.S_ISREG(information.st_mode) and link.st_mode & stat.S_IWUSR:
                found.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return found


def files_while_uploading(pid: int, port: int, path: str) -> tuple[set[str], bytes]:
    """Send a form of several MiB by halves.

    Returns:
        The files that the process had opened in between, and the answer.
    """
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=file; filename={MARKER}\r\n\r\n"
    part = MARKER.encode() * (LARGE // len(MARKER))
    body = head.encode() + part + f"\r\n--{BOUNDARY}--\r\n".encode()
    before = written_files(pid)
    opened: set[str] = set()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        for start in range(0, len(body), 2**18):
            connection.sendall(body[start : start + 2**18])
            # What is still in the sockets cannot be in a file.
            wait_until(lambda: unread(port) == 0)
            opened |= written_files(pid) - before
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return opened, answer


def unread(port: int) -> int:
    """Return the bytes on their way to a server, as the system counts them."""
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        sending, receiving = (int(size, 16) for size in queues.split(":"))
        total += receiving * local.endswith(f":{port:04X}")
        total += sending * remote.endswith(f":{port:04X}")
    return total


def pictures() -> Iterator[bytes]:
    """Make images that hold markers, whole and broken."""
    pixels = Pillow.fromarray(np.full((40, 60, 3), 128, np.uint8))
    exif = Pillow.Exif()
    exif[0x010E] = MARKER  # description
    exif[0x013B] = MARKER  # artist
    for form in ("JPEG", "PNG", "TIFF", "WEBP"):
        file = io.BytesIO()
        text = PngInfo()
        text.add_text(MARKER, MARKER)
        pixels.save(file, form, exif=exif.tobytes(), **({"pnginfo": text} if form == "PNG" else {}))
        assert MARKER.encode() in file.getvalue()
        yield file.getvalue()
        yield file.getvalue()[:-30]
    # libpng and libjpeg print what they think of these, the first with the name of the profile.
    profile = struct.pack(">I", 5000) + random.Random(1).randbytes(400)  # noqa: S311
    named = (b"iCCP", MARKER.encode() + b"\0\0" + zlib.compress(profile))
    yield png(np.full((8, 8, 3), 128), 8, 2, named)
    jpeg = encode(pixels, "JPEG")
    yield jpeg[:-20] + MARKER.encode() + jpeg[-20:]
    yield MARKER.encode()
    yield b"<html>" + MARKER.encode()
    yield b"GIF89a" + MARKER.encode()
    yield b"\x89PNG\r\n\x1a\n" + MARKER.encode()
    yield b"\xff\xd8\xff\xe1" + MARKER.encode()
    yield b"II*\0" + MARKER.encode()
    yield b"BM" + MARKER.encode() * 3
    yield b"RIFF\0\0\0\0WEBP" + MARKER.encode()


def answers(service: Service) -> Iterator[httpx.Response]:
    """Send markers in every way and yield what comes back."""
    part = f'form-data; name="file"; filename="{MARKER}"'
    for data in pictures():
        for path in ("/predict/json", "/predict/overlay"):
            yield service.post(path, content=data)
            yield service.post(
                path,
                files={"file": (f"{MARKER}.dcm", data, f"image/{MARKER}")},
                data={"patient": MARKER, MARKER: "x"},
            )
    for body in (
        f"--{BOUNDARY}\r\nContent-Disposition: {part}\r\n\r\n{MARKER}",
        f"--{BOUNDARY}\r\nContent-Disposition: {MARKER}\r\n\r\n{MARKER}",
        f"--{BOUNDARY}\r\n{MARKER}\r\n\r\n",
        f"{MARKER}--{BOUNDARY}",
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name={MARKER}\r\n\r\n--{BOUNDARY}--\r\n",
    ):
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        yield service.post("/predict", content=body.encode(), headers=headers)
    for headers in (
        {"Content-Type": f"text/{MARKER}"},
        {"Content-Type": f"multipart/form-data; boundary={MARKER}"},
        {"Content-Encoding": MARKER},
        {"Accept": f"{MARKER}/*"},
        {"X-Request-Timeout-Ms": MARKER},
        {"X-Request-Id": f"{MARKER}/{MARKER}"},
        {"Authorization": f"Bearer {MARKER}"},
        {"Range": MARKER},
    ):
        yield service.post("/predict", content=MARKER.encode(), headers=headers)
    for query in ({"threshold": MARKER}, {"format": MARKER}, {f"{MARKER} {MARKER}": "x"}):
        yield service.post("/predict", params=query, content=MARKER.encode())
    yield service.post(f"/predict/{MARKER}", content=MARKER.encode())
    yield service.get(f"/{MARKER}?{MARKER}={MARKER}")


def test_markers_show_nowhere(service: Service, disk: Path) -> None:
    statuses = set()
    for answer in answers(service):
        statuses.add(answer.status_code)
        assert MARKER not in str(answer.headers)
        shown = answer.content
        if answer.headers["Content-Type"] == "image/png":
            image = cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_UNCHANGED)
            assert image is not None
        assert MARKER.encode() not in shown
    assert statuses == {200, 400, 404, 406, 415, 422}
    assert MARKER not in service.output
    assert service.errors == ""
    assert list(disk.rglob("*")) == []


def test_errors_inside_show_nothing(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(f"{MARKER} {MARKER}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-request"
    assert MARKER.encode() not in answer
    assert MARKER not in service.output


def test_large_uploads_stay_in_memory(service: Service, disk: Path) -> None:
    opened, answer = files_while_uploading(service.process.pid, service.port, "/predict")
    assert opened == set()
    assert answer.startswith(b"HTTP/1.1 400")
    assert MARKER.encode() not in answer
    assert MARKER not in service.output
    assert list(disk.rglob("*")) == []


def test_the_watch_catches_a_server_that_spools(disk: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.spooling", str(listener.fileno())],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(disk)},
            pass_fds=[listener.fileno()],
        )
    try:
        opened, answer = files_while_uploading(process.pid, port, "/")
    finally:
        process.kill()
        process.wait()
    assert answer.startswith(b"HTTP/1.1 200")
    assert len(opened) == 1
    assert str(disk) in opened.pop()
