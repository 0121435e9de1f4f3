"""Stopping loses nothing that was accepted, and takes no longer than it must."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from app.imaging import render_overlay
from tests.service.conftest import HELD, Service, Start
from tests.waiting import wait_until


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def send(threads: ThreadPoolExecutor, service: Service, image: bytes) -> Future[httpx.Response]:
    """Send an image on a connection of its own."""
    return threads.submit(httpx.post, service.url("/predict"), content=image, timeout=30)


def complaints(service: Service) -> list[str]:
    """What the log has that an operator would look for."""
    return [str(line) for line in service.lines if line["level"] == "error"] + [service.errors]


def refused(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port), 5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the backlog when the listener closed: ask again
    return False


def test_readiness_goes_while_the_door_is_open(
    start: Start, threads: ThreadPoolExecutor, jpeg: bytes
) -> None:
    # The delay is longer than the test: what follows the signal has no time limit.
    service = start(HELD, drain_delay_s=600, deadline_ms=60_000).wait_ready()
    service.forget()
    service.hold("running")
    answers = [send(threads, service, jpeg)]
    wait_until(lambda: service.runs)
    service.kill()
    wait_until(lambda: service.get("/health/ready").status_code == 503)
    document = httpx.get(service.url("/health")).json()
    assert document["state"] == "draining"
    # Callers are told to look for another one, and are answered nevertheless.
    assert service.get("/health/live").headers["Connection"] == "close"
    answers.append(send(threads, service, jpeg))
    wait_until(lambda: httpx.get(service.url("/health")).json()["queue"]["depth"] == 2)
    service.release("running")
    assert [answer.result().status_code for answer in answers] == [200, 200]
    assert [answer.result().headers["Connection"] for answer in answers] == ["close", "close"]


def test_accepted_requests_are_answered_behind_the_closed_door(
    start: Start, threads: ThreadPoolExecutor, jpeg: bytes
) -> None:
    service = start(HELD, drain_delay_s=0.1, deadline_ms=60_000).wait_ready()
    service.forget()
    service.hold("running")
    answers = [send(threads, service, jpeg) for _ in range(5)]
    wait_until(lambda: service.get("/health").json()["queue"]["depth"] == 5)
    wait_until(lambda: service.runs)
    service.kill()
    wait_until(lambda: refused(service))
    assert service.process.poll() is None
    service.release("running")
    for answer in answers:
        assert answer.result().status_code == 200
        assert answer.result().headers["X-Polyp-Detected"] == "true"
    assert service.wait() == 0
    assert service.errors == ""
    assert service.wait_log(event="stopped")["unanswered"] == 0


def test_idle_service_stops_and_closes_connections(start: Start) -> None:
    service = start(drain_delay_s=0).wait_ready()
    with socket.create_connection(("127.0.0.1", service.port)) as idle:
        service.kill()
        assert service.wait() == 0
        assert idle.recv(1) == b""


@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)]
)
def test_second_signal_ends_it_at_once(
    start: Start,
    threads: ThreadPoolExecutor,
    jpeg: bytes,
    first: signal.Signals,
    second: signal.Signals,
) -> None:
    service = start(HELD, drain_delay_s=30).wait_ready()
    service.forget()
    service.hold("running")
    answer = send(threads, service, jpeg)
    wait_until(lambda: service.runs)
    service.kill(first)
    service.wait_log(event="stopping")
    service.kill(second)
    assert service.wait() == 128 + second
    assert isinstance(answer.exception(), httpx.TransportError)


def test_grace_has_an_end(start: Start, threads: ThreadPoolExecutor, jpeg: bytes) -> None:
    service = start(HELD, drain_delay_s=0, grace_s=0.1).wait_ready()
    service.forget()
    service.hold("running")
    answer = send(threads, service, jpeg)
    wait_until(lambda: service.runs)
    service.kill()
    assert service.wait() == 1
    assert service.wait_log(event="stopped")["unanswered"] == 1
    assert answer.result().status_code == 503
    assert answer.result().json()["code"] == "draining"
    line = service.wait_log(request_id=answer.result().headers["X-Request-Id"])
    assert (line["status"], line["code"]) == (503, "draining")
    assert complaints(service) == [""]


def test_answer_on_its_way_goes_out_whole(start: Start) -> None:
    service = start(drain_delay_s=0).wait_ready()
    noise = np.random.default_rng(0).integers(0, 256, (1800, 2000, 3), np.uint8)
    image = render_overlay(noise, np.zeros(noise.shape[:2], np.uint8))
    head = b"POST /predict/overlay HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**18)
        slow.sendall(head % len(image) + image)
        answer = slow.recv(4096)
        service.kill()
        # Longer than there is for last bytes once every answer has gone out.
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(2.5)
        while more := slow.recv(2**20):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length
    assert len(body) == int(length[1])
    assert service.wait() == 0
    assert complaints(service) == [""]


def test_caller_who_goes_on_sending_is_cut_off_without_a_complaint(
    start: Start, jpeg: bytes
) -> None:
    service = start(drain_delay_s=0, body_timeout_s=0.5).wait_ready()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
    with socket.create_connection(("127.0.0.1", service.port)) as stalled:
        stalled.sendall(head + jpeg[:1000])
        wait_until(lambda: service.get("/health/live").status_code == 200)
        service.kill()
        assert service.wait() == 0
    assert complaints(service) == [""]


def test_new_work_on_an_old_connection_is_refused_while_draining(
    start: Start, threads: ThreadPoolExecutor, jpeg: bytes
) -> None:
    service = start(HELD, drain_delay_s=0).wait_ready()
    service.forget()
    service.hold("running")
    answer = send(threads, service, jpeg)
    wait_until(lambda: service.runs)
    assert service.get("/health/live").status_code == 200
    service.kill()
    wait_until(lambda: refused(service))
    refusal = service.post("/predict", content=jpeg)
    assert refusal.status_code == 503
    assert refusal.json()["code"] == "draining"
    assert refusal.headers["Connection"] == "close"
    service.release("running")
    assert answer.result().status_code == 200
    assert service.wait() == 0
