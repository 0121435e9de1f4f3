"""Real HTTP against the real service."""

import io
import json
import os
import re
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow
from pycocotools import mask as coco

from tests.service.conftest import COMMAND, HELD, ROOT, Service, Start
from tests.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_mask_has_the_size_of_the_image(service: Service, jpeg: bytes) -> None:
    answer = service.post("/predict", files={"file": ("a.jpg", jpeg)})
    assert answer.status_code == 200
    with Pillow.open(io.BytesIO(answer.content)) as image:
        assert image.size == (720, 576)
        mask = np.asarray(image)
    document = service.post("/predict", content=jpeg, headers={"Accept": "application/json"}).json()
    run_lengths = coco.frPyObjects(document["mask"], 576, 720)
    np.testing.assert_array_equal(coco.decode(run_lengths) * 255, mask)


def test_headers_of_answers(service: Service, jpeg: bytes) -> None:
    answer = service.post("/predict", content=jpeg, headers={"X-Request-Id": "from-the-viewer"})
    assert answer.headers["X-Request-Id"] == "from-the-viewer"
    assert answer.headers["X-Model"] == "tiny/1"
    assert re.fullmatch("[0-9a-f]{64}", answer.headers["X-Model-Sha256"])
    assert "Date" in answer.headers
    assert "Server" not in answer.headers
    for stage in ("decode", "queue", "infer", "encode", "total"):
        assert f"{stage};dur=" in answer.headers["Server-Timing"]


def test_one_log_line_a_request(service: Service, jpeg: bytes) -> None:
    service.post("/predict/overlay", content=jpeg, headers={"X-Request-Id": "logged"})
    service.post("/predict/secret-name", headers={"X-Request-Id": "lost"})
    line = service.wait_log(request_id="logged")
    assert line.pop("time")
    assert line.pop("bytes_out") > 1000
    assert set(line.pop("timing_ms")) == {"decode", "queue", "infer", "encode", "total"}
    assert line == {
        "level": "info",
        "logger": "polypseg.request",
        "event": "request",
        "request_id": "logged",
        "method": "POST",
        "model": "tiny/1",
        "route": "/predict/overlay",
        "status": 200,
        "format": "overlay",
        "bytes_in": len(jpeg),
        "width": 720,
        "height": 576,
    }
    lost = service.wait_log(request_id="lost")
    assert (lost["status"], lost["code"]) == (404, "not-found")
    assert "route" not in lost
    assert len([line for line in service.lines if line.get("request_id") == "logged"]) == 1


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/model", "/metrics", "/docs", "/"])
def test_head_is_get_without_the_body(service: Service, path: str) -> None:
    whole, head = service.get(path), service.client.head(service.url(path))
    assert head.status_code == whole.status_code
    assert head.content == b""
    volatile = {"date", "server-timing", "x-request-id", "content-length"}
    assert head.headers.keys() == whole.headers.keys()
    for name in whole.headers.keys() - volatile:
        assert head.headers[name] == whole.headers[name]


def test_head_in_the_log(service: Service) -> None:
    answer = service.client.head(service.url("/model"))
    line = service.wait_log(request_id=answer.headers["X-Request-Id"])
    assert (line["method"], line["route"], line["bytes_out"]) == ("HEAD", "/model", 0)
    assert service.client.head(service.url("/predict")).status_code == 405


def test_chunked_body(service: Service, jpeg: bytes) -> None:
    pieces = [jpeg[start : start + 1000] for start in range(0, len(jpeg), 1000)]
    answer = service.post("/predict", content=iter(pieces))
    assert answer.status_code == 200


def test_caller_who_hangs_up_is_never_run(start: Start, jpeg: bytes) -> None:
    service = start(HELD).wait_ready()
    service.forget()
    service.hold("running")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX-Request-Id: %s\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as first:
        first.sendall(head % (len(jpeg), b"runs") + jpeg)
        wait_until(lambda: service.runs == 1)
        # One more would fill a batch, which is then formed ahead.
        with socket.create_connection(("127.0.0.1", service.port)) as leaving:
            leaving.sendall(head % (len(jpeg), b"left") + jpeg)
            wait_until(lambda: service.get("/health").json()["queue"]["depth"] == 2)
        wait_until(lambda: service.get("/health").json()["queue"]["depth"] == 1)
        service.release("running")
        assert first.recv(12) == b"HTTP/1.1 200"
    assert service.post("/predict", content=jpeg).status_code == 200
    assert service.runs == 2
    line = service.wait_log(request_id="left")
    assert line["aborted"] is True
    assert "status" not in line


def test_caller_who_hangs_up_in_the_middle_of_the_body(service: Service, jpeg: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nX-Request-Id: middle\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head % len(jpeg) + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 100"  # the body is waited for
        connection.sendall(jpeg[:1000])
    line = service.wait_log(request_id="middle")
    assert line["aborted"] is True
    assert service.get("/health").json()["queue"]["depth"] == 0


def test_callers_who_stop_sending_take_no_place_in_the_line(start: Start, jpeg: bytes) -> None:
    service = start(deadline_ms=200).wait_ready()
    places = service.get("/health").json()["queue"]["limit"]
    head = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
        b"X-Request-Timeout-Ms: 60000\r\nExpect: 100-continue\r\n\r\n"
    ) % len(jpeg)
    with ExitStack() as stack:
        for _ in range(places + 10):
            stalled = socket.create_connection(("127.0.0.1", service.port))
            stack.enter_context(stalled).sendall(head)
            assert stalled.recv(12) == b"HTTP/1.1 100"  # it was let in: its body is waited for
            stalled.sendall(jpeg[: len(jpeg) // 2])
        assert service.get("/health").json()["queue"]["depth"] == 0
        answer = service.post("/predict", content=jpeg, headers={"X-Request-Timeout-Ms": "30000"})
        assert answer.status_code == 200
        stalled.sendall(jpeg[len(jpeg) // 2 :])
        wait_until(lambda: b"HTTP/1.1 200" in stalled.recv(4096))


def test_early_refusal_reaches_a_caller_who_is_still_sending(start: Start) -> None:
    service = start(max_body_bytes=100_000).wait_ready()
    answer = service.post("/predict", content=b"x" * 3_000_000)
    assert answer.status_code == 413
    assert answer.json()["code"] == "body-too-large"
    answer = service.post("/predict", content=iter([b"x" * 50_000] * 60))
    assert answer.status_code == 413


def test_limits_of_a_connection(start: Start) -> None:
    service = start(
        max_header_bytes=1000, header_timeout_s=0.2, body_timeout_s=0.2, idle_timeout_s=0.2
    ).wait_ready()

    def exchange(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def code(answer: bytes) -> str:
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["code"])

    post = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"
    large = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2000
    assert code(exchange(large)) == "headers-too-large"
    assert code(exchange(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ")) == "header-timeout"
    assert code(exchange(post)) == "body-timeout"
    assert code(exchange(b"\x16\x03\x01\x02\x00")) == "bad-request"
    assert exchange(b"") == b""
    assert exchange(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")
    refusal = service.wait_log(code="headers-too-large")
    assert (refusal["status"], refusal["method"]) == (431, "-")
    assert service.get("/health/live").status_code == 200


def test_damaged_body_is_one_line_of_ours_in_the_log(service: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: damaged\r\n"
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    damaged = b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head + upgrade + damaged)
        answer = connection.makefile("rb").read()
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (document["code"], document["request_id"]) == ("bad-request", "damaged")
    line = service.wait_log(request_id="damaged")
    assert (line["status"], line["code"], line["route"]) == (400, "bad-request", "/predict")
    assert "aborted" not in line
    assert {line["logger"].partition(".")[0] for line in service.lines} == {"polypseg"}


def test_many_connections_are_allowed(service: Service) -> None:
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    soft, hard = re.findall(r"^Max open files +(\d+) +(\d+)", limits, re.MULTILINE)[0]
    assert soft == hard


def test_one_connection_serves_many_requests(service: Service, jpeg: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(request * 3)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 3:
            answer += connection.recv(65536)
    with httpx.Client() as client:
        for _ in range(3):
            assert client.post(service.url("/predict"), content=jpeg).status_code == 200


def test_a_log_that_nobody_reads_holds_up_nobody(bundle_root: Path, jpeg: bytes) -> None:
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "POLYPSEG_MODEL": str(bundle_root), "POLYPSEG_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        with httpx.Client(base_url=url, timeout=30) as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200)
            # A pipe takes 64 KiB, and a line has more than 200 bytes.
            for _ in range(500):
                assert client.get("/nothing").status_code == 404
            assert client.post("/predict", content=jpeg).status_code == 200
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
