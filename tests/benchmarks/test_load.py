"""The load generator against a server of the standard library that counts what it was asked."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import load
from benchmarks.requests import Form, Target

PICTURES = [b"first", b"second", b"third"]


class Counting(ThreadingHTTPServer):
    """Answers a body with itself; holds answers while `gate` is closed."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.gate = threading.Event()
        self.gate.set()
        self.status = 200

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers may leave."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Counting

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.gate.wait(30)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()


def target(server: Counting, form: Form = "raw") -> Target:
    return Target(server.server_address[1], "/", form)


async def test_closed_loop_counts_every_request(server: Counting) -> None:
    samples = await load.closed_loop(target(server), PICTURES, clients=3, seconds=0.3)
    assert len(samples) == len(server.bodies)
    assert {sample.status for sample in samples} == {200}
    for number, picture in enumerate(PICTURES):
        asked = sum(sample.picture == number for sample in samples)
        assert asked == server.bodies.count(picture) > 0


async def test_open_loop_does_not_wait_for_the_server(server: Counting) -> None:
    server.gate.clear()
    samples = await load.open_loop(target(server), PICTURES, rate=200, seconds=0.5, patience=0.2)
    assert {sample.status for sample in samples} == {load.NO_ANSWER}
    # A Poisson process of 100 requests in the mean: ten standard deviations are enough.
    assert 0 < len(samples) < 200
    assert len({sample.due for sample in samples}) == len(samples)


async def test_open_loop_is_the_same_for_everybody(server: Counting) -> None:
    async def dues(seed: int) -> list[float]:
        samples = await load.open_loop(target(server), PICTURES, 100, 0.3, 5.0, seed)
        return sorted(sample.due for sample in samples)

    assert await dues(1) == await dues(1)
    assert await dues(1) != await dues(2)


async def test_other_statuses_are_told(server: Counting) -> None:
    server.status = 503
    samples = await load.closed_loop(target(server), PICTURES, clients=1, seconds=0.1)
    assert {sample.status for sample in samples} == {503}
    with pytest.raises(ConnectionError, match="503"):
        await load.answers(target(server), PICTURES)


async def test_leavers_do_not_count(server: Counting) -> None:
    samples = await load.among_leavers(target(server), PICTURES, 1, 3, 0.3)
    assert {sample.status for sample in samples} == {200}
    assert len(server.bodies) > len(samples)


async def test_nobody_listens() -> None:
    samples = await load.closed_loop(Target(1, "/", "raw"), PICTURES, clients=2, seconds=0.1)
    assert {sample.status for sample in samples} == {load.NO_ANSWER}


@pytest.mark.parametrize("form", ["raw", "multipart", "v2"])
async def test_forms_hold_the_picture(server: Counting, form: Form) -> None:
    (body,) = await load.answers(target(server, form), [b"picture"])
    if form == "v2":
        assert b"cGljdHVyZQ==" in body
    else:
        assert b"picture" in body


async def test_lone_requests_share_a_connection(server: Counting) -> None:
    samples = await load.lone(target(server), PICTURES, times=4, idle=0.0)
    assert [sample.status for sample in samples] == [200] * 4
    assert len(asyncio.all_tasks()) == 1


async def test_patience_counts_from_when_a_request_was_due(server: Counting) -> None:
    # The generator is late for all of them, and so late that nobody would still look.
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)
    samples = await load.open_loop(target(server), PICTURES, rate=200, seconds=0.05, patience=0.1)
    assert {sample.status for sample in samples} == {load.NO_ANSWER}
    assert server.bodies == []
