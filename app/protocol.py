"""HTTP/1.1 on top of uvicorn's, with the limits that it lacks.

A connection is always in one of these phases, and each but the last has a time limit:

=============  ====================================================  =========================
phase          until                                                 when the time is up
=============  ====================================================  =========================
``SILENT``     the first byte of a request                           closed
``HEADERS``    the end of the headers                                408, closed
``BODY``       the end of the body                                   closed
``ANSWERING``  the end of the answer                                 no limit of its own here
``CLOSING``    the caller has closed, or has had time to             closed
=============  ====================================================  =========================

The handler limits the time of a body too, and answers 408; the limit here is for bodies that no
handler reads. What still arrives of a body after its answer is read and dropped: closing at once
would make the system send a reset, which can overtake the answer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.api.problems import BadRequest, HeadersTooLarge, HeaderTimeout, Problem, problem_response
from app.telemetry.middleware import Observer
from app.telemetry.record import Record, request_id

_LINGER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may cost.

    Attributes:
        header_bytes: Largest request line and headers together.
        header_s: Time for the headers, from their first byte.
        body_s: Time for the body; a little more than handlers give, so that they can answer.
        silent_s: Time without a request in progress.
    """

    header_bytes: int
    header_s: float
    body_s: float
    silent_s: float


@dataclass(frozen=True, slots=True)
class Refusals:
    """What goes with an answer that is given before there is a request.

    Attributes:
        headers: Headers of every answer.
        observers: Told about each of them.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    observers: Sequence[Observer] = ()


class Config(uvicorn.Config):
    """Uvicorn's configuration with ours beside it.

    Attributes:
        limits: What a connection may cost.
        refusals: What goes with an answer that is given before there is a request.
        last_answers: Whether each answer is the last one on its connection: the service is about
            to stop, and callers should find another one before it does.
    """

    limits: Limits
    refusals: Refusals
    last_answers: bool = False


class Phase(Enum):
    """What a connection is waiting for."""

    SILENT = auto()
    HEADERS = auto()
    BODY = auto()
    ANSWERING = auto()
    CLOSING = auto()


class Protocol(HttpToolsProtocol):
    """One connection."""

    config: Config

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._phase = Phase.SILENT
        self._timer: asyncio.TimerHandle | None = None
        self._begun = 0
        self._header_bytes = 0
        self._partial_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start with silence."""
        super().connection_made(transport)
        self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless nothing more is wanted."""
        if self._phase is Phase.CLOSING:
            return
        begun = self._begun + (self._phase is Phase.SILENT)
        super().data_received(data)
        # The parser calls back for whole lines only; an endless one must be counted here. Bytes
        # that came together with the end of another request are left out.
        if self._phase is Phase.HEADERS and self._begun == begun:
            self._partial_bytes += len(data)
            if self._partial_bytes > self._limits.header_bytes:
                self._refuse_headers()

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        if self._phase is Phase.CLOSING:
            return
        super().on_message_begin()
        self._begun += 1
        self._header_bytes = self._partial_bytes = 0
        self._enter(Phase.HEADERS, self._limits.header_s, self._headers_late)

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request line."""
        self._header_bytes += len(url)
        if self._phase is Phase.HEADERS:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or the trailer of a chunked body."""
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if self._phase is Phase.HEADERS:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, if its headers are small enough."""
        if self._phase is Phase.CLOSING:
            return
        if self._header_bytes > self._limits.header_bytes:
            self._refuse_headers()
            return
        self._enter(Phase.BODY, self._limits.body_s, self._body_late)
        super().on_headers_complete()
        if self.config.last_answers:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body that somebody waits for."""
        if self._phase is Phase.BODY:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request has come."""
        if self._phase is Phase.BODY:
            super().on_message_complete()
            self._rest()

    def on_response_complete(self) -> None:
        """The answer is handed to the system, though perhaps not yet sent."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            self._enter(Phase.CLOSING, self._limits.silent_s, self.transport.abort)
        elif self._phase is Phase.ANSWERING:
            self._rest()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Answer what is no HTTP."""
        self._refuse(BadRequest("The request is not valid HTTP/1.1."))

    def shutdown(self) -> None:
        """Close after the answer in progress; called when the server stops."""
        if self._phase is not Phase.CLOSING:
            super().shutdown()

    def _rest(self) -> None:
        """Between two requests: there is silence once every answer is given."""
        if self.cycle.response_complete and not self.pipeline:
            self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)
        else:
            self._phase = Phase.ANSWERING
            self._stop_timer()

    def _enter(self, phase: Phase, seconds: float, then: Callable[[], None]) -> None:
        self._phase = phase
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        # A caller who does not read would keep a polite close waiting for ever.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _body_late(self) -> None:
        if self.flow.read_paused:  # by us: the body waits for a handler that is busy
            self._enter(Phase.BODY, self._limits.body_s, self._body_late)
        else:
            self._hang_up()

    def _headers_late(self) -> None:
        self._refuse(
            HeaderTimeout(f"The headers were not complete after {self._limits.header_s:g} s.")
        )

    def _refuse_headers(self) -> None:
        self._refuse(
            HeadersTooLarge(
                "The request line and the headers are over the limit of "
                f"{self._limits.header_bytes} bytes."
            )
        )

    def _refuse(self, problem: Problem) -> None:
        """Answer what never became a request, and take nothing more."""
        if self._phase is Phase.CLOSING:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Another answer is on its way; two must not mix.
            self.cycle.keep_alive = False
            self._phase = Phase.CLOSING
            self._stop_timer()
            return
        record = Record(request_id(None), "-", status=problem.status, code=problem.code())
        response = problem_response(problem, record.request_id)
        headers = {
            **self.config.refusals.headers,
            "X-Request-Id": record.request_id,
            "Server-Timing": record.server_timing(),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
        lines += [b"%b: %b" % header for header in self.server_state.default_headers]
        lines += [b"%b: %b" % header for header in response.raw_headers]
        lines += [f"{name}: {value}".encode() for name, value in headers.items()]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.write_eof()
        self._enter(Phase.CLOSING, _LINGER_S, self.transport.abort)
        record.bytes_out = len(response.body)
        record.total_ms = record.elapsed_ms()
        for observe in self.config.refusals.observers:
            observe(record)
