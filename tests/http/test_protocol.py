"""What a connection may cost: real sockets against the protocol alone, with a tiny application."""

import asyncio
import contextlib
import gc
import io
import json
import logging
import random
import re
import socket
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from app.api.problems import Problem, QueueFull
from app.http.connection import Phase
from app.http.limits import Config, Limits, Unread
from app.http.pause import Pause
from app.http.protocol import Protocol
from app.http.refusals import Refusals
from app.memory import apart
from app.telemetry.record import Record
from tests.waiting import until

LENGTH_2 = [(b"content-length", b"2")]
LENGTH_1000 = (b"content-length", b"1000")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BIG = random.Random(0).randbytes(20_000_000)  # noqa: S311 - no secret


class Server:
    """A listening protocol, with what it has seen."""

    def __init__(self) -> None:
        self.port = 0
        self.records: list[Record] = []
        self.observers = [self.records.append]
        self.connections: list[Protocol] = []
        self.bodies: list[bytes] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.reached = asyncio.Event()
        self.answer: ASGIApp | None = None
        self.full = False
        self.unread = Unread()

    def needed(self, method: bytes, target: bytes) -> str | None:
        """Whoever posts needs room."""
        return "/predict" if (method, target) == (b"POST", b"/") else None

    def refusal(self) -> Problem | None:
        """Turn everybody away while the line is full."""
        return QueueFull("24 requests are in line already.", 3) if self.full else None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the number of bytes; `/early` does not read them."""
        if self.answer is not None:
            await self.answer(scope, receive, send)
            return
        content: bytes | memoryview = b"0"
        if scope["path"] == "/big":
            content = apart(BIG)
        elif scope["path"] != "/early":
            body = await Request(scope, receive).body()
            self.bodies.append(body)
            content = b"%d" % len(body)
        self.reached.set()
        await self.hold.wait()
        await PlainTextResponse(content)(scope, receive, send)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to it."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes and return everything that comes until the connection is closed."""
        reader, writer = await self.connect()
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer


Listening = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def listening() -> Listening:
    """Listen with limits of one's own."""

    @asynccontextmanager
    async def listen(
        header_bytes: int = 400, header_s: float = 5, body_s: float = 5, silent_s: float = 5
    ) -> AsyncIterator[Server]:
        server = Server()
        config = Config(
            server.app,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            proxy_headers=False,
        )
        config.limits = Limits(header_bytes, header_s, body_s, silent_s)
        config.gate = server
        config.unread = server.unread
        config.pause = Pause()
        config.refusals = Refusals({"X-Model": "tiny/1"}, server.observers)
        config.load()
        state = ServerState()

        def connection() -> Protocol:
            protocol = Protocol(config, state, {})
            server.connections.append(protocol)
            return protocol

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(connection, "127.0.0.1", 0)
        server.port = listener.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            listener.close()
            for protocol in list(state.connections):  # those that are open
                protocol.transport.abort()
            for task in list(state.tasks):
                task.cancel()
            await asyncio.gather(*state.tasks, return_exceptions=True)

    return listen


def problem(answer: bytes, *, last: bool = True) -> dict[str, object]:
    """Check the shape of a refusal and return its document."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    document = json.loads(body)
    assert isinstance(document, dict)
    assert re.fullmatch(rf"HTTP/1\.1 {document['status']} [A-Z].*", status)
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-length"] == str(len(body))
    assert headers.get("connection") == ("close" if last else None)
    assert headers["x-request-id"] == document["request_id"]
    assert headers["x-model"] == "tiny/1"
    assert headers["server-timing"].startswith("total;dur=")
    return document


async def test_keep_alive(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        for _ in range(3):
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            assert await reader.readexactly(1) == b"0"
        assert len(server.connections) == 1
        assert not server.records
        writer.close()


async def test_pipelined_requests_are_answered_in_order(listening: Listening) -> None:
    async with listening() as server:
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        answer = await server.exchange(post % 3 + b"abc" + post % 2 + b"de" + LAST)
        assert re.findall(rb"\r\n\r\n(\d)", answer) == [b"3", b"2", b"0"]
        assert server.bodies == [b"abc", b"de", b""]


async def test_head_and_body_of_an_answer_come_together(listening: Listening) -> None:
    """One packet, one wake-up; asyncio hands over what one read of the socket has got."""
    pieces: list[bytes] = []
    body = b"x" * 1000

    async def in_two_messages(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH_1000]})
        await asyncio.sleep(0.05)  # whatever is sent by now would arrive alone
        await send({"type": "http.response.body", "body": body})

    async with listening() as server:
        server.answer = in_two_messages
        reader, writer = await server.connect()
        for _ in range(2):  # on the same connection
            writer.write(GET)
            pieces.append(await reader.read(10_000))
        writer.close()
    for piece in pieces:
        assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
        assert piece.endswith(b"\r\n\r\n" + body)


async def test_a_head_without_a_body_goes_out(listening: Listening) -> None:
    async with listening() as server:
        head = await server.exchange(LAST.replace(b"GET", b"HEAD"))
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")


async def test_a_head_whose_body_never_comes_goes_out(
    listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH_1000]})
        raise KeyError("x")

    async with listening() as server:
        server.answer = failing
        answer = await server.exchange(GET)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert "Exception in ASGI application" in caplog.text


async def test_answers_in_progress_become_the_last_ones(listening: Listening) -> None:
    async with listening() as server:
        server.hold.clear()
        reader, writer = await server.connect()
        writer.write(GET + GET)
        await server.reached.wait()
        await until(lambda: bool(server.connections[0].pipeline))
        server.connections[0].retire()
        server.hold.set()

        answer = await asyncio.wait_for(reader.read(), 5)

        first, second = answer.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert b"connection: close" not in first
        assert b"connection: close" in second
        writer.close()


async def test_an_answer_that_has_begun_is_left_as_it_is(listening: Listening) -> None:
    async with listening() as server:
        finish = asyncio.Event()

        async def begin(_scope: Scope, _receive: Receive, send: Send) -> None:
            start = {"type": "http.response.start", "status": 200, "headers": LENGTH_2}
            await send(start)
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await finish.wait()
            await send({"type": "http.response.body", "body": b"b"})

        server.answer = begin
        reader, writer = await server.connect()
        writer.write(GET)
        assert b"connection: close" not in await reader.readuntil(b"\r\n\r\na")
        server.connections[0].retire()
        finish.set()
        assert await reader.readexactly(1) == b"b"
        writer.write(GET)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\nab"), 5)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        writer.close()


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"http://x", "/ "),
        (b"http://x?a=b", "/ a=b"),
        (b"http://x/early", "/early "),
        (b"http://x:80/?a=http://y", "/ a=http://y"),
    ],
)
async def test_targets_may_be_absolute(listening: Listening, target: bytes, seen: str) -> None:
    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        text = f"{scope['path']} {scope['query_string'].decode()}"
        await PlainTextResponse(text)(scope, receive, send)

    async with listening() as server:
        server.answer = tell
        answer = await server.exchange(LAST.replace(b"/", target, 1))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body.decode() == seen


async def test_a_fault_of_ours_is_logged_and_leaves_nobody_waiting(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the refusal of a request that is not valid, which it would look like to the parser."""

    def fail(_target: bytes) -> bytes:
        raise RuntimeError("ours")

    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    monkeypatch.setattr("app.http.protocol.with_path", fail)
    async with listening() as server:
        assert await server.exchange(GET) == b""
    causes = [repr(context["exception"].__cause__) for context in seen]
    assert causes == ["RuntimeError('ours')"]


@pytest.mark.parametrize("target", [b"http://[::1/", b"/\xff", b"x:y", b"http://a b", b"#"])
async def test_what_is_no_target_is_no_fault_of_ours(listening: Listening, target: bytes) -> None:
    async with listening() as server:
        answer = await server.exchange(GET.replace(b"/", target, 1))
    assert problem(answer)["status"] == 400


async def test_blanks_behind_a_value_are_no_part_of_it(listening: Listening) -> None:
    async with listening() as server:
        seen: list[tuple[bytes, bytes]] = []

        async def keep(scope: Scope, receive: Receive, send: Send) -> None:
            seen.extend(scope["headers"])
            await PlainTextResponse("")(scope, receive, send)

        server.answer = keep
        head = b"GET / HTTP/1.1\r\nHost: x \t\r\nX-Name:  a b \t \r\nConnection: close\r\n\r\n"
        assert (await server.exchange(head)).startswith(b"HTTP/1.1 200 OK")
        assert (b"host", b"x") in seen
        assert (b"x-name", b"a b") in seen


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_only_http_1_1_is_told_to_continue(listening: Listening, version: str) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        head = f"POST / HTTP/{version}\r\nHost: x\r\nConnection: close\r\n"
        writer.write(f"{head}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n".encode())
        if version == "1.1":
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"x")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_silent_connection_is_closed(listening: Listening) -> None:
    async with listening(silent_s=0.05) as server:
        assert await server.exchange(b"") == b""
        # Empty lines before a request are allowed, and are no request.
        assert await server.exchange(b"\r\n\r\n") == b""
        assert not server.records


async def test_silence_after_an_answer_is_closed(listening: Listening) -> None:
    async with listening(silent_s=0.05) as server:
        assert (await server.exchange(GET)).endswith(b"0")


async def test_slow_headers(listening: Listening) -> None:
    async with listening(header_s=0.05) as server:
        answer = problem(await server.exchange(b"GET / HTTP/1.1\r\nHost:"))
        assert (answer["status"], answer["code"]) == (408, "header-timeout")
        (record,) = server.records
        assert (record.status, record.code) == (408, "header-timeout")
        assert record.bytes_out > 0
        assert record.total_ms is not None


async def test_answering_has_no_limit_of_its_own(listening: Listening) -> None:
    async with listening(header_s=0.05, body_s=0.05, silent_s=0.05) as server:
        server.hold.clear()
        asyncio.get_running_loop().call_later(0.2, server.hold.set)
        assert (await server.exchange(GET)).endswith(b"0")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 400 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100 + b"\r\n",
        # Another request comes with it.
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400 + b"\r\n\r\n" + GET,
        # A body comes with it.
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX: " + b"x" * 400 + b"\r\n\r\nabc",
        # Nonsense comes with it.
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400 + b"\r\n\r\nnonsense\r\n\r\n",
        # It does not end, but it is too large already.
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 400,
    ],
)
async def test_large_headers(listening: Listening, head: bytes) -> None:
    async with listening() as server:
        answer = problem(await server.exchange(head))
        assert (answer["status"], answer["code"]) == (431, "headers-too-large")
        assert len(server.records) == 1
        assert not server.bodies


async def test_a_header_that_never_ends(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        for _ in range(20):
            writer.write(b"x" * 50)
            await asyncio.sleep(0)
            await writer.drain()
        answer = problem(await asyncio.wait_for(reader.read(), 5))
        assert answer["code"] == "headers-too-large"
        writer.close()


async def test_the_bytes_of_one_request_do_not_count_for_the_next(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
        writer.write(post + b"GET / HT")
        await reader.readuntil(b"\r\n\r\n2000")
        writer.write(b"TP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        assert not server.records
        writer.close()


async def test_headers_right_at_the_limit(listening: Listening) -> None:
    fixed = len(b"/") + len(b"X: \r\n") + len(b"Host: x\r\n") + len(b"Connection: close\r\n")
    for extra, status in ((0, b"200"), (1, b"431")):
        async with listening(header_bytes=400) as server:
            value = b"x" * (400 - fixed + extra)
            head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + value + b"\r\n\r\n"
            assert (await server.exchange(head)).split()[1] == status


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET  \r\n\r\n",
        b"BREW coffee\r\n\r\n",
    ],
)
async def test_what_is_no_http(listening: Listening, data: bytes) -> None:
    async with listening() as server:
        answer = problem(await server.exchange(data))
        assert (answer["status"], answer["code"]) == (400, "bad-request")


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n", 400, "bad-request"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n", 501, "unknown-method"),
        (b"CONNECT / HTTP/1.1\r\nHost: x\r\n", 501, "unknown-method"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/3.0\r\nHost: x\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/9.9\r\n", 505, "version-not-supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", 505, "version-not-supported"),
        (b"GET / HTTP/1.x\r\nHost: x\r\n", 400, "bad-request"),
    ],
)
async def test_heads_that_cannot_be_served(
    listening: Listening, head: bytes, status: int, code: str
) -> None:
    async with listening() as server:
        answer = problem(await server.exchange(head + b"\r\n"))
        assert (answer["status"], answer["code"]) == (status, code)
        assert len(server.records) == 1
        assert not server.reached.is_set()


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


async def test_upgrades_are_declined(listening: Listening) -> None:
    get = b"GET / HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    # As Java's client sends it; what looks like a request in it is the body nevertheless.
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n" % (len(GET), UPGRADE)
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + UPGRADE + b"\r\n"
    sent = get + post + GET + chunked + b"2\r\nab\r\n0\r\n\r\n" + get + last
    bodies = [b"", GET, b"ab", b"", b""]
    async with listening() as server:
        answer = await server.exchange(sent)
        assert re.findall(rb"\r\n\r\n(\d+)", answer) == [b"%d" % len(body) for body in bodies]
        assert server.bodies == bodies
    async with listening() as server:
        reader, writer = await server.connect()
        for start in range(0, len(sent), 7):
            writer.write(sent[start : start + 7])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(reader.read(), 5)).count(b"HTTP/1.1 200") == len(bodies)
        assert server.bodies == bodies
        writer.close()


async def test_an_upgrade_of_a_damaged_request(listening: Listening) -> None:
    async with listening() as server:
        sent = b"GET /\xff HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n"
        assert problem(await server.exchange(sent))["code"] == "bad-request"
        assert problem(await server.exchange(sent.replace(b"Host", b"Hosts")))["status"] == 400


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def raise_fault(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the problem of the body, as the real application does."""
    try:
        await Request(scope, receive).body()
    except Problem as problem:
        await PlainTextResponse(problem.code(), problem.status)(scope, receive, send)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"zz\r\nabc\r\n", b"bad-request"),
        (b"3\r\nabcdef", b"bad-request"),
        (b"3;" + b"x" * 500 + b"\r\nabc\r\n0\r\n\r\n", b"headers-too-large"),
        (b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 100 + b"\r\n", b"headers-too-large"),
        # They never end.
        (b"3\r\nabc\r\n0\r\nX: " + b"x" * 500, b"headers-too-large"),
        (b"3;" + b"x" * 500, b"headers-too-large"),
    ],
)
@pytest.mark.parametrize("piece", [1, 100, 10_000])
async def test_damaged_bodies_are_refused_at_once(
    listening: Listening, rest: bytes, code: bytes, piece: int
) -> None:
    async with listening(body_s=600) as server:
        server.answer = raise_fault
        reader, writer = await server.connect()
        sent = CHUNKED + rest
        for start in range(0, len(sent), piece):
            writer.write(sent[start : start + piece])
            await asyncio.sleep(0)
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.endswith(b"\r\n\r\n" + code)
        assert b"connection: close" in answer
        assert not server.records
        writer.close()


async def test_small_chunks_are_no_extensions(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n5000")
        server.answer = raise_fault
        # What the chunks were allowed for does not go far with a trailer that never ends.
        writer.write(CHUNKED + b"1\r\nx\r\n" * 5000 + b"0\r\nX: " + b"x" * 200_000)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"headers-too-large")
        writer.close()


@pytest.mark.parametrize("sizes", [[3000], [1, 2999], [2999, 1], [1000, 1000, 1000], [1] * 3000])
async def test_pieces_of_a_body_are_put_together(listening: Listening, sizes: list[int]) -> None:
    whole = random.Random(0).randbytes(3000)  # noqa: S311 - no secret
    rest = io.BytesIO(whole)
    chunks = b"".join(b"%x\r\n%b\r\n" % (size, rest.read(size)) for size in sizes)
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(2 * (CHUNKED + chunks + b"0\r\n\r\n"))
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n3000")
        assert server.bodies == [whole, whole]
        writer.close()


async def test_damaged_body_of_an_early_answer(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED.replace(b" / ", b" /early "))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"zz\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b"0"
        writer.close()


async def test_nonsense_behind_a_request_does_not_spoil_its_answer(listening: Listening) -> None:
    async with listening() as server:
        server.hold.clear()
        reader, writer = await server.connect()
        writer.write(GET)
        await server.reached.wait()
        writer.write(b"nonsense\r\n\r\n" + GET)
        await until(lambda: server.connections[0]._phase is Phase.LAST)
        server.hold.set()
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.count(b"HTTP/1.1") == 1
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert len(server.bodies) == 1
        writer.close()


@pytest.mark.parametrize("path", [b"/early", b"/"])
async def test_no_reset_overtakes_the_last_answer(listening: Listening, path: bytes) -> None:
    async with listening(body_s=600) as server:
        server.answer = None if path == b"/early" else raise_fault
        reader, writer = await server.connect()
        # As urllib sends it, and no sooner reads than everything is sent.
        head = CHUNKED.replace(b"Host", b"Connection: close\r\nHost")
        writer.write(head.replace(b" / ", b" %b " % path))
        for _ in range(50):
            writer.write((b"zz" if path == b"/" else b"186a0") + b"\r\n" + b"x" * 100_000 + b"\r\n")
            await writer.drain()
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 ")
        writer.close()


async def test_body_of_an_early_answer_is_dropped(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1)
        writer.write(b"x" * 300_000 + GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"0"
        assert server.bodies == [b""]
        writer.close()


async def test_body_that_nobody_reads_and_that_never_ends(listening: Listening) -> None:
    async with listening(body_s=0.05) as server:
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
        assert (await server.exchange(head + b"x")).endswith(b"\r\n\r\n0")


async def test_time_in_which_we_do_not_read_does_not_count(listening: Listening) -> None:
    async with listening(body_s=0.2) as server:
        reader, writer = await server.connect()
        server.hold.clear()
        # The second request waits for the first: its body is held back by us.
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n"
        writer.write(GET + post + b"x" * 400_000)
        await server.reached.wait()
        late = server.connections[0]._body_late
        await until(lambda: server.connections[0].flow.read_paused)
        late()
        assert not server.connections[0].transport.is_closing()
        server.hold.set()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"400000")
        writer.close()


async def test_trailers_are_no_headers(listening: Listening) -> None:
    async with listening() as server:
        head = (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        answer = await server.exchange(head + b"3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n")
        assert answer.endswith(b"3")
        assert (b"authorization", b"x") not in server.connections[0].headers


async def test_caller_who_does_not_read_is_dropped(listening: Listening) -> None:
    async with listening(silent_s=0.05) as server:
        _, writer = await server.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.reached.wait()
        connection = server.connections[0]
        await until(lambda: connection not in connection.connections)
        writer.close()


async def test_caller_who_does_not_read_and_wants_to_close_is_dropped(
    listening: Listening,
) -> None:
    async with listening(silent_s=0.05) as server:
        _, writer = await server.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await server.reached.wait()
        connection = server.connections[0]
        await until(lambda: connection not in connection.connections)
        writer.close()


async def test_shutdown_closes_what_is_idle_and_finishes_the_rest(listening: Listening) -> None:
    async with listening() as server:
        idle, idle_writer = await server.connect()
        idle_writer.write(GET)
        await idle.readuntil(b"\r\n\r\n0")
        server.hold.clear()
        server.reached.clear()
        busy, busy_writer = await server.connect()
        busy_writer.write(GET)
        await server.reached.wait()
        for connection in list(server.connections):
            connection.shutdown()
        assert await idle.read() == b""
        server.hold.set()
        answer = await busy.read()
        assert answer.endswith(b"0")
        assert b"connection: close" in answer
        for writer in (idle_writer, busy_writer):
            writer.close()


async def test_shutdown_leaves_a_refusal_to_its_linger(listening: Listening) -> None:
    async with listening() as server:
        reader, writer = await server.connect()
        writer.write(b"nonsense\r\n\r\n")
        await until(lambda: server.records)
        server.connections[0].shutdown()
        assert problem(await reader.read())["code"] == "bad-request"
        writer.close()


# The server runs on uvloop, whose transports refuse what asyncio's forgive.
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"


def run(
    coroutine: Coroutine[None, None, None], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Run on a loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(coroutine)


def run_without_collector(
    coroutine: Coroutine[None, None, None], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Run on a loop; what is in a circle of references is not freed meanwhile."""
    gc.disable()
    try:
        run(coroutine, loop)
    finally:
        gc.enable()


@LOOPS
@pytest.mark.parametrize("requests", [GET, POST, GET + POST + GET])
def test_a_lost_connection_is_freed_without_the_collector(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop], requests: bytes
) -> None:
    async def lose() -> None:
        async with listening() as server:
            server.hold.clear()
            _, writer = await server.connect()
            writer.write(requests)
            await server.reached.wait()
            protocol = weakref.ref(server.connections.pop())
            writer.transport.abort()
            server.hold.set()
            await until(lambda: protocol() is None)

    run_without_collector(lose(), loop)


@LOOPS
def test_a_caller_who_leaves_before_pipelined_answers(
    listening: Listening,
    loop: Callable[[], asyncio.AbstractEventLoop],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def leave() -> None:
        async with listening() as server:
            left: list[Message] = []

            async def wait_for_the_end(_: Scope, receive: Receive, send: Send) -> None:
                server.reached.set()
                while not left or left[-1]["type"] != "http.disconnect":
                    left.append(await receive())
                await PlainTextResponse("nobody reads this")({"type": "http"}, receive, send)

            server.answer = wait_for_the_end
            _, writer = await server.connect()
            writer.write(GET + GET)
            await server.reached.wait()
            (protocol,) = server.connections
            writer.transport.abort()
            await until(lambda: not protocol.tasks)
            assert [message["type"] for message in left] == ["http.request", "http.disconnect"]

    run(leave(), loop)
    assert not caplog.records


async def refused(reader: asyncio.StreamReader) -> bytes:
    """Read one refusal."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return head + await reader.readexactly(int(length[1]))


BODIES = [
    pytest.param(b"Content-Length: 3\r\n", b"abc", id="length"),
    pytest.param(b"Content-Length: 500000\r\n", b"x" * 500_000, id="long"),
    pytest.param(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", id="chunked"),
    pytest.param(b"Content-Length: 3\r\nExpect: 100-continue\r\n", b"abc", id="expecting"),
]


@pytest.mark.parametrize(("framing", "body"), BODIES)
async def test_who_is_turned_away_may_ask_again(
    listening: Listening, framing: bytes, body: bytes
) -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n" + framing + b"\r\n"
    async with listening() as server:
        server.full = True
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(post)
            answer = await refused(reader)  # before the body has come
            assert b"\r\nretry-after: 3\r\n" in answer
            document = problem(answer, last=False)
            assert (document["code"], document["request_id"]) == ("queue-full", "mine")
            writer.write(body)
        assert not server.reached.is_set()
        server.full = False
        writer.write(POST)
        await asyncio.wait_for(reader.readuntil(b"200 OK"), 5)
        assert server.bodies == [b"12345"]
        assert [(record.route, record.method, record.status) for record in server.records] == [
            ("/predict", "POST", 429)
        ] * 2
        writer.close()


CLOSING = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize("head", [b"POST / HTTP/1.0\r\n", CLOSING])
async def test_the_only_answer_may_turn_away(listening: Listening, head: bytes) -> None:
    async with listening() as server:
        server.full = True
        answer = await server.exchange(head + b"Content-Length: 3\r\n\r\nabc")
        assert problem(answer)["code"] == "queue-full"


async def test_pipelined_requests_are_turned_away_in_order(listening: Listening) -> None:
    async with listening() as server:
        server.full = True
        reader, writer = await server.connect()
        writer.write(POST + POST + GET)
        for _ in range(2):
            problem(await refused(reader), last=False)
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_request_behind_an_answer_is_left_to_the_application(listening: Listening) -> None:
    async with listening() as server:
        server.full = True
        server.hold.clear()
        reader, writer = await server.connect()
        writer.write(GET + POST)
        await server.reached.wait()
        server.hold.set()
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
        assert (await reader.readuntil(b"\r\n\r\n5")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize("head", [b"POST / HTTP/1.0\r\n", CLOSING])
async def test_who_is_turned_away_for_good_may_finish_his_body(
    listening: Listening, head: bytes
) -> None:
    async with listening() as server:
        server.full = True
        reader, writer = await server.connect()
        writer.write(head + b"Content-Length: 300000\r\n\r\nx")
        problem(await refused(reader))
        writer.write(b"x" * 299_999)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert not server.reached.is_set()
        writer.close()


async def test_who_is_turned_away_and_never_finishes_is_cut_off(listening: Listening) -> None:
    async with listening(body_s=0.05) as server:
        server.full = True
        answer = await server.exchange(POST[:-1])
        assert problem(answer, last=False)["code"] == "queue-full"


@pytest.mark.parametrize("rest", [b"zz\r\n", b"1;" + b"x" * 1000])
async def test_damaged_bodies_of_those_turned_away(listening: Listening, rest: bytes) -> None:
    async with listening() as server:
        server.full = True
        answer = await server.exchange(CHUNKED + rest)
        assert problem(answer, last=False)["code"] == "queue-full"
        assert [record.status for record in server.records] == [429]


AT_ONCE = 16


async def deaf_caller(server: Server) -> asyncio.StreamWriter:
    """Connect without ever reading."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", server.port))
    _, writer = await asyncio.open_connection(sock=deaf)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


@pytest.mark.parametrize("head", [b"POST / HTTP/1.0\r\n", CLOSING])
async def test_who_is_turned_away_for_good_need_not_send_his_body(
    listening: Listening, head: bytes
) -> None:
    async with listening(body_s=600, silent_s=600) as server:
        server.full = True
        ask = head + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        assert problem(await server.exchange(ask))["code"] == "queue-full"


async def test_nonsense_behind_a_request_that_is_turned_away(listening: Listening) -> None:
    async with listening() as server:
        server.full = True
        reader, writer = await server.connect()
        writer.write(POST + b"nonsense\r\n\r\n")
        assert problem(await refused(reader), last=False)["status"] == 429
        assert problem(await refused(reader))["status"] == 400
        writer.close()


async def test_a_stop_lets_those_who_are_turned_away_finish(listening: Listening) -> None:
    async with listening() as server:
        server.full = True
        reader, writer = await server.connect()
        writer.write(CLOSING.replace(b"Connection: close\r\n", b"Content-Length: 300000\r\n\r\n"))
        problem(await refused(reader), last=False)
        server.connections[0].shutdown()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        for _ in range(3):
            writer.write(b"x" * 100_000)
            await writer.drain()
        assert not server.connections[0].transport.is_closing()
        writer.close()


@pytest.mark.parametrize(("full", "request_"), [(True, POST), (False, GET), (False, POST)])
async def test_pipelines_are_short(listening: Listening, full: bool, request_: bytes) -> None:
    async with listening() as server:
        server.full = full
        server.hold.clear()
        reader, writer = await server.connect()
        writer.write(request_ * 3000)
        await until(lambda: bool(server.connections) and server.connections[0]._begun > 0)
        assert len(server.connections[0].pipeline) <= AT_ONCE
        server.hold.set()
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.count(b"HTTP/1.1 ") == AT_ONCE + 1
        assert answer.count(b"connection: close") == 1
        writer.close()


@LOOPS
def test_a_request_in_the_last_moment_of_a_limit(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Uvloop's timers of less than half a millisecond are no timers."""

    async def ask() -> None:
        async with listening() as server:
            reader, writer = await server.connect()
            await until(lambda: bool(server.connections))
            (protocol,) = server.connections
            protocol._enter(Phase.SILENT, 0.0003, lambda: None)
            protocol._enter(Phase.SILENT, 0.0001, lambda: None)
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200")
            writer.close()

    run(ask(), loop)


@LOOPS
def test_who_does_not_read_and_asks_again_is_dropped(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def ask() -> None:
        async with listening(silent_s=0.1) as server:
            writer = await deaf_caller(server)
            writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" + GET + POST)
            await server.reached.wait()
            (connection,) = server.connections
            await until(lambda: connection not in connection.connections)
            assert server.unread.bytes == 0
            writer.transport.abort()

    run(ask(), loop)


@LOOPS
def test_who_reads_slowly_and_asks_again_is_answered(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def ask() -> None:
        async with listening(silent_s=0.5) as server:
            reader, writer = await server.connect()
            writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
            await reader.readuntil(b"\r\n\r\n")
            for start in range(0, len(BIG), 1_000_000):
                piece = await reader.readexactly(1_000_000)
                assert piece == BIG[start : start + 1_000_000]
                await asyncio.sleep(0.04)
            assert (await reader.readuntil(b"\r\n\r\n0")).endswith(b"0")
            server.hold.clear()
            server.reached.clear()
            writer.write(GET)
            await asyncio.wait_for(server.reached.wait(), 5)
            await asyncio.sleep(0.8)  # answering has no limit again
            server.hold.set()
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 5)
            writer.close()

    run(ask(), loop)


@LOOPS
def test_an_application_that_fails_behind_its_answer_keeps_nothing(
    listening: Listening,
    loop: Callable[[], asyncio.AbstractEventLoop],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")  # a captured line keeps the frames

    async def lose() -> None:
        async with listening() as server:
            go = asyncio.Event()

            async def fail(_scope: Scope, _receive: Receive, send: Send) -> None:
                await send({"type": "http.response.start", "status": 200, "headers": LENGTH_2})
                server.reached.set()
                await go.wait()
                raise ValueError("behind the answer")

            server.answer = fail
            _, writer = await server.connect()
            writer.write(GET)
            await server.reached.wait()
            protocol = weakref.ref(server.connections.pop())
            lost = protocol()
            assert lost is not None
            connections = lost.connections
            del lost
            writer.transport.abort()
            await until(lambda: not connections)
            go.set()
            await until(lambda: protocol() is None)

    run_without_collector(lose(), loop)


async def test_who_cannot_be_turned_away_is_not_left_waiting(listening: Listening) -> None:
    def fail(_: Record) -> None:
        raise OSError("the disk is full")

    faults: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: faults.append(str(context["exception"].__cause__))
    )
    async with listening() as server:
        server.full = True
        server.observers.append(fail)
        reader, writer = await server.connect()
        writer.write(POST)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    assert faults == ["the disk is full"]


async def test_browsers_are_turned_away_by_the_application(listening: Listening) -> None:
    """Its layers know what they may read."""
    async with listening() as server:
        server.full = True
        answer = await server.exchange(
            POST.replace(b"\r\n\r\n", b"\r\nOrigin: https://viewer.example\r\n\r\n", 1) + LAST
        )
        assert re.findall(rb"\r\n\r\n(\d)", answer) == [b"5", b"0"]


@LOOPS
def test_who_is_turned_away_and_does_not_listen_fills_no_memory(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def ask() -> None:
        async with listening() as server:
            server.full = True
            server.answer = PlainTextResponse("the application, which waits for the caller")
            writer = await deaf_caller(server)
            await until(lambda: bool(server.connections))
            (protocol,) = server.connections
            ours = protocol.transport.get_extra_info("socket")
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            told = asyncio.Semaphore(0)
            server.observers.append(lambda _: told.release())
            while not protocol.flow.write_paused:
                writer.write(POST)
                with contextlib.suppress(TimeoutError):  # the application has it
                    await asyncio.wait_for(told.acquire(), 1)
            writer.write(POST * AT_ONCE)
            await until(lambda: protocol.flow.read_paused)
            assert protocol.transport.get_write_buffer_size() < 2 * HIGH_WATER_LIMIT
            writer.transport.abort()

    run(ask(), loop)


async def test_who_reads_slowly_gets_the_whole_answer(listening: Listening) -> None:
    silent_s, ask = 0.1, b"GET /big HTTP/1.1\r\nHost: x\r\n"
    async with listening(silent_s=silent_s) as server:
        for last in (b"", b"Connection: close\r\n"):
            reader, writer = await server.connect()
            began = time.monotonic()
            writer.write(ask + last + b"\r\n")
            size = len(await reader.readuntil(b"\r\n\r\n"))
            while piece := await reader.read(1_000_000):
                size += len(piece)
                assert server.unread.bytes <= 20_000_000
                await asyncio.sleep(silent_s / 10)
            assert time.monotonic() - began > 1.5 * silent_s, "too fast to say anything"
            assert size > 20_000_000
            writer.close()
        await until(lambda: server.unread.bytes == 0)


@LOOPS
@pytest.mark.parametrize(
    "ask",
    [
        b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /big HTTP/1.0\r\n\r\n",
    ],
)
def test_answers_that_nobody_reads_are_counted_while_they_wait(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop], ask: bytes
) -> None:
    async def play() -> None:
        async with listening() as server:
            deaf = [await deaf_caller(server) for _ in range(2)]
            for writer in deaf:
                writer.write(ask)
            await until(lambda: server.unread.bytes > 20_000_000)
            assert server.unread.bytes <= 2 * 20_001_000
            for writer in deaf:
                writer.transport.abort()
            await until(lambda: server.unread.bytes == 0)

    run(play(), loop)


async def behind_an_unread_answer(
    server: Server, request: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Protocol]:
    """Send a request, and another one before anything of the answer is read."""
    reader, writer = await server.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: bool(server.connections) and server.unread.bytes > 0)
    (connection,) = server.connections
    await until(lambda: connection.cycle.response_complete)
    writer.write(request)
    await until(lambda: not connection.cycle.response_complete)
    return reader, writer, connection


async def read_until(reader: asyncio.StreamReader, end: bytes) -> None:
    """Read up to some bytes behind a large answer."""
    last = b""
    while not last.endswith(end):
        piece = await reader.read(1_000_000)
        assert piece
        last = last[-100:] + piece


@LOOPS
def test_no_answer_is_made_behind_one_that_is_not_read(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def play() -> None:
        async with listening() as server:
            reader, writer, connection = await behind_an_unread_answer(server, POST)
            await asyncio.sleep(0.05)  # for an application that would begin
            assert not server.bodies
            assert not connection.tasks
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            await read_until(reader, b"\r\n\r\n5")
            assert server.bodies == [b"12345"]
            writer.close()

    run(play(), loop)


@LOOPS
def test_the_time_for_a_body_begins_once_the_answer_before_it_is_read(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    body_s = 0.2

    async def play() -> None:
        async with listening(body_s=body_s) as server:
            reader, writer, connection = await behind_an_unread_answer(server, POST[:-1])
            await asyncio.sleep(2 * body_s)  # as slow as a reader may be
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            while connection.flow.write_paused:
                await reader.read(1_000_000)
            writer.write(POST[-1:])
            await read_until(reader, b"\r\n\r\n5")
            # The body of the next one has its own limit again.
            writer.write(POST[:-1])
            assert not await reader.read()
            writer.close()

    run(play(), loop)


@LOOPS
def test_nothing_is_begun_behind_an_unread_answer_for_who_has_closed_his_side(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def play() -> None:
        async with listening() as server:
            reader, writer, connection = await behind_an_unread_answer(server, POST)
            writer.write_eof()
            await until(connection.transport.is_closing)
            writer.transport.resume_reading()  # type: ignore[attr-defined]
            while await reader.read(1_000_000):
                pass
            await until(lambda: connection not in connection.connections)
            assert not connection.tasks
            assert not server.bodies
            writer.close()

    run(play(), loop)


@LOOPS
def test_who_leaves_unread_answers_takes_his_next_request_with_him(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def play() -> None:
        async with listening() as server:
            _, writer, connection = await behind_an_unread_answer(server, POST)
            writer.transport.abort()
            await until(lambda: connection not in connection.connections)
            await asyncio.sleep(0)
            assert not connection.tasks
            assert not server.bodies

    run(play(), loop)


async def test_a_refused_head_request_gets_no_body(listening: Listening) -> None:
    async with listening() as server:
        refused = [await server.exchange(ask + b" / HTTP/1.1\r\n\r\n") for ask in (b"HEAD", b"GET")]
    heads, bodies = zip(*(answer.split(b"\r\n\r\n") for answer in refused), strict=True)
    assert all(head.startswith(b"HTTP/1.1 400 ") for head in heads)
    assert bodies[0] == b""
    assert f"content-length: {len(bodies[1])}".encode() in heads[0]
    assert [record.bytes_out for record in server.records] == [0, len(bodies[1])]


@pytest.mark.parametrize("more", [b"", b"\0nonsense\r\n\r\n", b"G"])
async def test_what_follows_a_head_request_is_refused_with_a_body(
    listening: Listening, more: bytes
) -> None:
    async with listening(header_s=0.05, silent_s=0.2) as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"GET", b"HEAD"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(more)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer == b"" if not more else problem(answer)["status"] in {400, 408}


async def test_a_request_for_another_protocol_counts_once(listening: Listening) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    async with listening() as server:
        answer = await server.exchange(upgrade * (AT_ONCE - 1) + LAST)
    assert answer.count(b"HTTP/1.1 200 ") == AT_ONCE
    assert answer.count(b"connection: close") == 1


NEXT = (GET, b"\0nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 500, b"GET /he")


@LOOPS
@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("more", NEXT)
def test_what_comes_behind_a_request_does_not_cut_its_answer_short(
    listening: Listening,
    loop: Callable[[], asyncio.AbstractEventLoop],
    monkeypatch: pytest.MonkeyPatch,
    last: bytes,
    more: bytes,
) -> None:
    monkeypatch.setattr("app.http.connection._LINGER_S", 0.02)

    async def play() -> None:
        async with listening(header_s=0.02, silent_s=0.5) as server:
            reader, writer = await server.connect()
            writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: server.connections[0].unsent > 0)
            writer.write(more)
            size = 0
            while size < 20_000_000:
                size += len(await reader.readexactly(1_000_000))
                await asyncio.sleep(0.01)  # in all, longer than a refusal lingers
            writer.close()

    run(play(), loop)


@LOOPS
def test_who_is_turned_away_is_freed_without_the_collector(
    listening: Listening, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def ask() -> None:
        async with listening() as server:
            server.full = True
            reader, writer = await server.connect()
            writer.write(POST)
            await refused(reader)
            protocol = weakref.ref(server.connections.pop())
            writer.close()
            await until(lambda: protocol() is None)

    run_without_collector(ask(), loop)
