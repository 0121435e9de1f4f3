"""Every problem: when it is raised, and how it looks."""

import asyncio
import io
import logging
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.api import problems
from app.api.errors import answer_http
from app.api.problems import Catch, Problem, all_problems, problem_response
from app.inference import EngineError
from app.telemetry.middleware import Telemetry
from tests.api.conftest import Client, Gate, Serving, encode
from tests.waiting import until


def check(answer: httpx.Response, kind: type[Problem]) -> str:
    """Check everything that problems have in common and return the detail."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    detail = document.pop("detail")
    assert isinstance(detail, str)
    assert document == {
        "type": f"/docs#{kind.code()}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code(),
        "request_id": answer.headers["X-Request-Id"],
    }
    assert answer.status_code == kind.status
    assert answer.headers["X-Model"] == "tiny/1"
    assert "total;dur=" in answer.headers["Server-Timing"]
    if kind.status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    return detail


async def endless() -> AsyncIterator[bytes]:
    yield b"\x89PNG"
    await asyncio.get_running_loop().create_future()


def test_codes_are_those_of_the_contract() -> None:
    assert {(kind.status, kind.code()) for kind in all_problems()} == {
        (400, "undecodable-image"),
        (400, "bad-request"),
        (401, "unauthorized"),
        (404, "not-found"),
        (405, "method-not-allowed"),
        (406, "not-acceptable"),
        (408, "body-timeout"),
        (408, "header-timeout"),
        (413, "body-too-large"),
        (413, "too-many-pixels"),
        (415, "unsupported-media-type"),
        (422, "invalid-parameter"),
        (429, "queue-full"),
        (431, "headers-too-large"),
        (500, "internal-error"),
        (501, "unknown-method"),
        (503, "not-ready"),
        (503, "draining"),
        (504, "deadline-exceeded"),
        (505, "version-not-supported"),
    }


def test_every_kind_is_documented() -> None:
    for kind in all_problems():
        assert kind.__doc__
        assert kind.example
        answer = problem_response(kind(kind.example), "id")
        assert answer.status_code == kind.status


@pytest.mark.parametrize(
    "body",
    [b"", b"hello, this is text", b"<html></html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"],
)
async def test_undecodable(client: Client, body: bytes) -> None:
    check(await client.post("/predict", content=body), problems.UndecodableImage)


async def test_truncated_and_animated(client: Client, png: bytes) -> None:
    check(await client.post("/predict", content=png[:-200]), problems.UndecodableImage)
    frames = [Pillow.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    detail = check(
        await client.post("/predict", content=file.getvalue()), problems.UndecodableImage
    )
    assert "frames" in detail


async def test_known_formats_that_are_not_accepted(client: Client) -> None:
    gif = encode(np.zeros((8, 8, 3), np.uint8), "GIF")
    detail = check(await client.post("/predict", content=gif), problems.UnsupportedMediaType)
    assert "GIF" in detail
    answer = await client.post("/predict", files={"file": gif})
    check(answer, problems.UnsupportedMediaType)


async def test_other_media_types(client: Client) -> None:
    answer = await client.post(
        "/predict/json", content=b"{}", headers={"Content-Type": "application/json"}
    )
    detail = check(answer, problems.UnsupportedMediaType)
    assert "curl " in detail
    assert "http://service/predict/json" in detail


async def test_not_acceptable(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", content=png, headers={"Accept": "text/html"})
    check(answer, problems.NotAcceptable)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/predict?threshold=0", "'threshold'.*over 0 and under 1"),
        ("/predict?threshold=1", "'threshold'"),
        ("/predict?threshold=nan", "'threshold'"),
        ("/predict?threshold=high", "'threshold'"),
        ("/predict?threshold=", "'threshold'"),
        ("/predict?threshold=0.5_0", "'threshold'"),
        ("/predict?threshold=%2B0.5", "'threshold'"),
        ("/predict?threshold=%200.5", "'threshold'"),
        ("/predict?threshold=5e-1", "'threshold'"),
        ("/predict?threshold=1e-320", "'threshold'"),
        ("/predict?threshold=0." + 319 * "0" + "1", "'threshold'"),
        ("/predict?threshold=0.%D9%A5", "'threshold'"),
        ("/predict?threshold=0.0", "'threshold'"),
        ("/predict?threshold=0.4&threshold=0.5", "'threshold' is given more than once"),
        ("/predict/json?rle=list&rle=list", "'rle' is given more than once"),
        ("/predict?X-Request-Timeout-Ms=500", "is a header, no parameter of the address"),
        ("/predict?patience_ms=500", "There is no parameter 'patience_ms' here."),
        ("/predict?Jane%20Doe=1&Jane%20Doe=2", "There is no parameter here"),
        ("/predict?rle=list", "'rle' is only for JSON"),
        ("/predict?rle=compressed&format=overlay", "'rle' is only for JSON"),
        ("/predict?format=gif", "'format'.*'png', 'json', 'overlay', 'probability'"),
        ("/predict/json?rle=zip", "'rle'.*'list' or 'compressed'"),
        ("/predict/png?rle=list", "no parameter 'rle'"),
        ("/predict?treshold=0.3", "no parameter 'treshold'"),
        ("/predict?format=gif&threshold=2", "'threshold'.*'format'|'format'.*'threshold'"),
    ],
)
async def test_invalid_parameters(client: Client, png: bytes, path: str, words: str) -> None:
    detail = check(await client.post(path, content=png), problems.InvalidParameter)
    assert re.search(words, detail)


async def test_many_unknown_parameters_get_one_sentence(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", params={f"p{n}": "1" for n in range(1000)}, content=png)
    assert check(answer, problems.InvalidParameter) == "There is no parameter 'p0' here."


async def test_odd_parameter_names_are_not_repeated(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", params={"Jane Doe <jd@x>": "1"}, content=png)
    detail = check(answer, problems.InvalidParameter)
    assert "Jane" not in detail


@pytest.mark.parametrize("threshold", ["0.5", ".5", "0.30000000000000004", "0.99", "0.00001"])
async def test_plain_thresholds(client: Client, png: bytes, threshold: str) -> None:
    answer = await client.post("/predict/json", content=png, params={"threshold": threshold})
    assert answer.json()["threshold"] == float(threshold)


@pytest.mark.parametrize("patience", ["60000", "060000", "9" * 100])
async def test_plain_patience(client: Client, png: bytes, patience: str) -> None:
    answer = await client.post("/predict", content=png, headers={"X-Request-Timeout-Ms": patience})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "patience", ["0", "-5", "soon", "1.5", "+5000", "5_000", "5e3", "5000.0", "", "9" * 101]
)
async def test_invalid_patience(client: Client, png: bytes, patience: str) -> None:
    answer = await client.post("/predict", content=png, headers={"X-Request-Timeout-Ms": patience})
    assert "X-Request-Timeout-Ms" in check(answer, problems.InvalidParameter)


async def test_form_without_the_part(client: Client, png: bytes) -> None:
    answer = await client.post("/predict", files={"image": png})
    assert "'file'" in check(answer, problems.InvalidParameter)


async def test_router_problems(client: Client) -> None:
    check(await client.get("/nothing/here"), problems.NotFound)
    answer = await client.get("/predict")
    check(answer, problems.MethodNotAllowed)
    assert answer.headers["Allow"] == "POST"
    answer = await client.post("/health/live")
    check(answer, problems.MethodNotAllowed)
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/predict/", "/docs/"])
async def test_nobody_is_led_to_a_host_of_the_callers_choice(client: Client, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await client.request(method, path, headers={"Host": "other.example"})
        check(answer, problems.NotFound)
        assert "Location" not in answer.headers


async def test_limits(serving: Serving, png: bytes) -> None:
    async with serving(max_body_bytes=len(png) - 1, max_pixels=7000) as client:
        check(await client.post("/predict", content=png), problems.BodyTooLarge)
        many = encode(np.zeros((100, 71, 3), np.uint8))
        assert len(many) < len(png)
        detail = check(await client.post("/predict", content=many), problems.TooManyPixels)
        assert "71 x 100" in detail


async def test_huge_promise_in_a_small_file(client: Client) -> None:
    bomb = bytearray(encode(np.zeros((8, 8, 3), np.uint8)))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    detail = check(await client.post("/predict", content=bytes(bomb)), problems.TooManyPixels)
    assert "50000 x 50000" in detail


async def test_slow_body(serving: Serving) -> None:
    async with serving(body_timeout_s=0.02) as client:
        check(await client.post("/predict", content=endless()), problems.BodyTimeout)
        assert client.context.bodies.held == 0


async def test_impatient_caller_with_a_slow_body(client: Client) -> None:
    answer = await client.post(
        "/predict", content=endless(), headers={"X-Request-Timeout-Ms": "20"}
    )
    assert "before the body was complete" in check(answer, problems.DeadlineExceeded)


async def test_memory_for_bodies(serving: Serving, png: bytes) -> None:
    size = len(png) + 10
    async with serving(max_bodies_bytes=size, max_body_bytes=size) as client:
        with client.context.bodies.share() as share:
            share.grow(11)
            check(await client.post("/predict", content=png), problems.QueueFull)
        assert client.context.predictor.tally.dropped["rejected"] == 1
        assert (await client.post("/predict", content=png)).status_code == 200


async def test_queue_full(client: Client, png: bytes) -> None:
    predictor = client.context.predictor
    async with AsyncExitStack() as stack:
        while predictor.health.queue_depth < predictor.health.queue_limit:
            (await stack.enter_async_context(predictor.admit())).line_up()
        check(await client.post("/predict", content=png), problems.QueueFull)
    assert (await client.post("/predict", content=png)).status_code == 200


async def test_queue_that_fills_while_a_body_arrives(client: Client, png: bytes) -> None:
    predictor = client.context.predictor
    full = asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        yield png[:100]
        await full.wait()
        yield png[100:]

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        answer = group.create_task(client.post("/predict", content=late()))
        await until(lambda: client.context.bodies.held)
        while predictor.health.queue_depth < predictor.health.queue_limit:
            (await stack.enter_async_context(predictor.admit())).line_up()
        full.set()
        check(await answer, problems.QueueFull)
    assert predictor.tally.dropped["rejected"] == 1
    assert client.context.bodies.held == 0


async def test_callers_who_send_no_body_keep_nobody_out(serving: Serving, png: bytes) -> None:
    minute = {"X-Request-Timeout-Ms": "60000"}
    settings = {"deadline_ms": 1, "body_timeout_s": 60}  # so that few may wait, and for long
    async with serving(**settings) as client, asyncio.TaskGroup() as group:
        count = 2 * client.context.predictor.health.queue_limit
        stalled = [
            group.create_task(client.post("/predict", content=endless(), headers=minute))
            for _ in range(count)
        ]
        await until(lambda: client.context.bodies.held == count * len(b"\x89PNG"))
        assert (await client.post("/predict", content=png, headers=minute)).status_code == 200
        for task in stalled:
            task.cancel()


async def test_starting(serving: Serving, png: bytes) -> None:
    gate = Gate()
    async with serving(loading=gate, wait=False) as client:
        check(await client.post("/predict", content=png), problems.NotReady)
        gate.open.set()
        await client.context.predictor.wait_ready()
        assert (await client.post("/predict", content=png)).status_code == 200


async def test_draining(client: Client, png: bytes) -> None:
    assert await client.context.predictor.drain(1) == 0
    check(await client.post("/predict", content=png), problems.Draining)


async def test_expired_in_the_queue_is_never_run(serving: Serving, png: bytes) -> None:
    gate = Gate()
    async with serving(gate=gate) as client, asyncio.TaskGroup() as group:
        loop = asyncio.get_running_loop()
        running = group.create_task(client.post("/predict", content=png))
        await loop.run_in_executor(None, gate.entered.acquire)
        expired = asyncio.Event()
        loop.call_later(0.25, expired.set)
        impatient = group.create_task(
            client.post("/predict", content=png, headers={"X-Request-Timeout-Ms": "200"})
        )
        await expired.wait()
        gate.open.set()
        assert (await running).status_code == 200
        check(await impatient, problems.DeadlineExceeded)
    assert gate.runs == 1
    assert client.context.predictor.tally.dropped["expired"] == 1


async def test_failed_run(serving: Serving, png: bytes, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gate.error = EngineError("secret words of the engine")
    gate.open.set()
    async with serving(gate=gate) as client:
        with caplog.at_level(logging.ERROR, "polypseg.api"):
            answer = await client.post("/predict", content=png)
        detail = check(answer, problems.InternalError)
        assert "secret" not in detail
    (line,) = (line for line in caplog.records if line.levelno == logging.ERROR)
    assert line.exc_info is not None
    assert line.fields == {  # type: ignore[attr-defined]
        "request_id": answer.headers["X-Request-Id"]
    }


async def test_lost_engine(serving: Serving, png: bytes) -> None:
    gate = Gate()
    gate.error = ZeroDivisionError()
    gate.open.set()
    async with serving(gate=gate) as client:
        check(await client.post("/predict", content=png), problems.NotReady)


async def test_error_after_the_answer_began_is_raised() -> None:
    sent: list[Message] = []

    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {"type": "http", "method": "GET", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await Telemetry(Catch(half), headers={}, observers=())(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_nobody_is_answered_who_has_left(
    client: Client, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": png[:100], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("service", 80),
    }
    await client.app(scope, receive, send)
    assert sent == []
    assert client.context.predictor.health.queue_depth == 0
    assert client.context.bodies.held == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_lifespan_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, *_: object) -> None:
        seen.append(scope["type"])

    await Catch(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_what_the_router_refuses_otherwise_is_a_bad_request() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await answer_http(Request(scope), HTTPException(418))
        await answer(scope, receive, send)

    transport = httpx.ASGITransport(Telemetry(app, headers={"X-Model": "tiny/1"}, observers=()))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        check(await client.get("/"), problems.BadRequest)
