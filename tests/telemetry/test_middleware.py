"""Every request has a record, every answer its headers, and every end is told."""

import logging
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.telemetry.middleware import Telemetry, log_request
from app.telemetry.record import Record, record_of

HEADERS = {"X-Model": "tiny/1"}


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    record_of(Request(scope)).format = "png"
    await PlainTextResponse("hello", 201)(scope, receive, send)


async def call(app: Any, seen: list[Record], **headers: str) -> httpx.Response:
    layer = Telemetry(app, headers=HEADERS, observers=[seen.append])
    transport = httpx.ASGITransport(layer)
    async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
        return await client.post("/secret", headers=headers)


async def test_answers_have_the_headers() -> None:
    answer = await call(hello, [], **{"X-Request-Id": "mine"})
    assert answer.headers["X-Request-Id"] == "mine"
    assert answer.headers["X-Model"] == "tiny/1"
    assert answer.headers["Server-Timing"].startswith("total;dur=")


async def test_defaults_give_way_to_what_the_handler_says() -> None:
    async def frank(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", headers={"X-Given": "mine"})(scope, receive, send)

    layer = Telemetry(frank, headers={}, defaults={"X-Given": "yours", "X-Missing": "yours"})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(layer)) as client:
        answer = await client.get("http://host")
    assert answer.headers.get_list("X-Given") == ["mine"]
    assert answer.headers["X-Missing"] == "yours"


async def test_observers_see_the_finished_record() -> None:
    seen: list[Record] = []
    await call(hello, seen)
    (record,) = seen
    assert (record.method, record.status, record.format) == ("POST", 201, "png")
    assert (record.model, record.bytes_out, record.aborted) == ("tiny/1", 5, False)
    assert record.total_ms is not None
    assert record.total_ms > 0


async def test_streamed_answers_are_counted_to_the_end() -> None:
    seen: list[Record] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(iter([b"ab", b"c"]))(scope, receive, send)

    await call(stream, seen)
    assert seen[0].bytes_out == 3
    assert not seen[0].aborted


async def test_an_answer_that_never_came_is_told_as_aborted() -> None:
    seen: list[Record] = []

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await call(fail, seen)
    assert seen[0].aborted
    assert seen[0].status is None


async def test_other_scopes_pass() -> None:
    scopes: list[MutableMapping[str, Any]] = []

    async def app(scope: Scope, *_: object) -> None:
        scopes.append(scope)

    await Telemetry(app, headers={})({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert scopes == [{"type": "lifespan"}]


def test_the_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "polypseg.request"):
        log_request(Record("id", "GET", status=200))
    (line,) = caplog.records
    assert line.getMessage() == "request"
    assert line.fields()["request_id"] == "id"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("route", "level"),
    [
        ("/health", logging.DEBUG),
        ("/health/ready", logging.DEBUG),
        ("/metrics", logging.DEBUG),
        ("/predict/json", logging.INFO),
        (None, logging.INFO),
    ],
)
def test_probes_and_scrapes_are_for_debugging(
    caplog: pytest.LogCaptureFixture, route: str | None, level: int
) -> None:
    with caplog.at_level(logging.DEBUG, "polypseg.request"):
        log_request(Record("id", "GET", route=route, status=503))
    (line,) = caplog.records
    assert line.levelno == level
