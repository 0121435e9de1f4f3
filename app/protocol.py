"""HTTP/1.1 on top of uvicorn's, with the limits that it lacks.

A connection is always in one of these phases, and each but the last has a time limit:

=============  ====================================================  =========================
phase          until                                                 when the time is up
=============  ====================================================  =========================
``SILENT``     the first byte of a request                           closed
``HEADERS``    the end of the headers                                408, closed
``BODY``       the end of the body                                   closed
``DROPPING``   the end of a body whose request was turned away       closed
``ANSWERING``  the end of the answer                                 only for who does not read
``LAST``       the end of the last answer; no request is taken       only for who does not read
``CLOSING``    the caller has closed, or has had time to             closed
=============  ====================================================  =========================

The handler limits the time of a body too, and answers 408; the limit here is for bodies that no
handler reads. What still arrives of a body after its answer is read and dropped: closing at once
would make the system send a reset, which can overtake the answer.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from time import perf_counter
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.problems import BadRequest, HeadersTooLarge, HeaderTimeout, Problem, UnknownMethod
from app.faults import note_fault
from app.head import check_head, check_version, is_unknown_method, version_of, with_path
from app.limits import Config
from app.telemetry.record import Record, request_id

_LINGER_S: Final = 1.0
# Who reads an answer more slowly is taken for gone.
_SLOWEST_BYTES_S: Final = 32 * 1024
# So many requests may wait for the one before them, or come in one packet: each may take fifty
# times the memory of its bytes. Who sends more is closed behind them (RFC 9112, 9.3.2).
_PIPELINED: Final = 16
# The clock of the loop has milliseconds.
_TICK_S: Final = 0.001
# The line with the length of a chunk, and the end of the line behind the chunk.
_CHUNK_BYTES: Final = 16
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# What uvicorn raises where the target of a request is none.
_BAD_TARGET: Final = (httptools.HttpParserError, UnicodeError)


class Phase(Enum):
    """What a connection is waiting for."""

    SILENT = auto()
    HEADERS = auto()
    BODY = auto()
    DROPPING = auto()
    ANSWERING = auto()
    LAST = auto()
    CLOSING = auto()


_BEFORE_BODY: Final = (Phase.SILENT, Phase.HEADERS)
_BEHIND_HEAD: Final = (Phase.BODY, Phase.DROPPING, Phase.ANSWERING)
_DEAF: Final = (Phase.LAST, Phase.CLOSING)


class _Exit:
    """The transport as an answer sees it, which may want to be the last one.

    The head of an answer waits for its body, and both go out at once: else the caller would be
    woken for the head alone, and there would be two packets to pay for.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport, self._close = transport, close
        self._head = b""
        self._head_is_out = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Take the head of an answer, or a piece of its body."""
        if self._head_is_out or data == _CONTINUE:
            self._transport.write(data)
        elif self._head:
            self._transport.writelines((self._head, data))
            self._head, self._head_is_out = b"", True
        else:
            self._head = data

    def end(self) -> None:
        """Send the head of an answer without a body; the next write is another head."""
        if self._head and not self.is_closing():
            self._transport.write(self._head)
        self._head, self._head_is_out = b"", False

    def close(self) -> None:
        """Close behind what was written."""
        self.end()
        self._close()


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
        self._answering: RequestResponseCycle | None = None
        self._is_last = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._rings = 0.0
        self._then: Callable[[], None] | None = None
        self._unread = 0
        self._begun = 0
        self._at_once = 0
        self._header_bytes = 0
        self._partial_bytes = 0
        self._framing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start with silence.

        What uvicorn does, but without a socket object to look up both addresses in: it costs as
        much as reading the request, and nothing here asks for the caller's.
        """
        self.config.pause.notice()
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.scheme = "http"
        name = transport.get_extra_info("sockname")
        self.server = (name[0], name[1]) if name else None
        self._exit = _Exit(transport, self._close)
        self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and let go of what would keep this object alive."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._then = None
        self.config.unread.forget(self)
        super().connection_lost(exc)
        self._phase = Phase.CLOSING
        # Uvicorn tells the newest request; the one that is being answered may be an older one.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        # Circles of references wait for the garbage collector, and it stops the whole service.
        self.cycle = self._answering = None  # type: ignore[assignment]
        self.pipeline.clear()
        del self._exit

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless nothing more is wanted."""
        self.config.pause.notice()
        if self._phase in _DEAF:
            return
        before = self._phase
        begun = self._begun + (before is Phase.SILENT)
        head = data.find(b"\r\n\r\n") + 4 if before in _BEFORE_BODY else 0
        self._at_once = 0
        self._feed(memoryview(data))
        if self._phase is Phase.DROPPING and self._is_last:
            self._close()
        # The parser calls back for whole lines only; an endless one must be counted here. Bytes
        # that came together with the end of another request are left out.
        if self._begun != begun:
            return
        if self._phase is Phase.HEADERS:
            self._partial_bytes += len(data)
            if self._partial_bytes > self._limits.header_bytes:
                self._refuse_headers()
        elif self._phase in _BEHIND_HEAD:
            self._framing_bytes = max(0, self._framing_bytes + len(data) - head)
            if self._framing_bytes > self._limits.header_bytes:
                self._spoil(
                    HeadersTooLarge(
                        "The extensions and trailers of the chunked body are over the limit of "
                        f"{self._limits.header_bytes} bytes."
                    ),
                    # Else the body had come, and these are blank lines before the next request.
                    awaited=before is not Phase.ANSWERING,
                )

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        if self._phase in _DEAF:
            return
        super().on_message_begin()
        self._begun += 1
        self._at_once += 1
        self._header_bytes = self._partial_bytes = self._framing_bytes = 0
        self._enter(Phase.HEADERS, self._limits.header_s, self._headers_late)

    def on_url(self, url: bytes) -> None:
        """Count a piece of the request line."""
        self._header_bytes += len(url)
        if self._phase is Phase.HEADERS:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; what comes in any other phase is the trailer of a chunked body."""
        if self._phase is Phase.HEADERS:
            self._header_bytes += len(name) + len(value) + len(b": \r\n")
            # Blanks behind a value are no part of it (RFC 9112, 5.1); the parser keeps them.
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Hand the request to the application, if its head is as it must be."""
        if self._phase in _DEAF:
            return
        if self._header_bytes > self._limits.header_bytes:
            self._refuse_headers()
            return
        try:
            check_head(self.parser.get_method(), self.parser.get_http_version(), self.headers)
        except Problem as problem:
            self._refuse(problem)
            return
        if self.parser.should_upgrade():  # `_feed` leads here again
            return
        if self.parser.get_http_version() == "1.0":  # it has no 100 Continue (RFC 9110, 10.1.1)
            self.expect_100_continue = False
        self.url = with_path(self.url)
        if self._turn_away():
            return
        super().on_headers_complete()
        self.cycle.transport = self._exit  # type: ignore[assignment]
        self._enter(Phase.BODY, self._limits.body_s, self._body_late)
        if self.config.last_answers or self._is_crowded:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Allow for the line that had to come."""
        self._framing_bytes -= _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body that somebody waits for."""
        self._framing_bytes -= len(body)
        if self._phase is Phase.BODY:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request has come."""
        if self._phase is Phase.BODY:
            super().on_message_complete()
            self._rest()
            if self._is_crowded:
                self._enter_without_limit(Phase.LAST)
        elif self._phase is Phase.DROPPING:
            if not self._is_crowded:  # more has come, and is dropped until the caller closes
                self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)
            if self._is_last:
                self._close()

    def on_response_complete(self) -> None:
        """The answer is handed to the system, though perhaps not yet sent."""
        if self._phase is Phase.CLOSING:
            return
        self._exit.end()
        if self.unsent:
            self.config.unread.remember(self)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        # What uvicorn does from here on, but without a clock for the silence: ours runs already.
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._phase is Phase.ANSWERING:
            self._rest()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _turn_away(self) -> bool:
        """Answer a request that nothing is to be spent on, and say whether it was one.

        It never becomes one of uvicorn's: in an overload most requests end here.
        """
        began = perf_counter()
        method, gate = self.parser.get_method(), self.config.gate
        route = gate.needed(method, self.url) if gate is not None else None
        if gate is None or route is None or self._is_for_the_application():
            return False
        problem = gate.refusal()
        if problem is None:
            return False
        self._is_last = (
            self.config.last_answers
            or self._is_crowded
            or self.parser.get_http_version() == "1.0"
            or not self.parser.should_keep_alive()
        )
        offered = next((value for name, value in self.headers if name == b"x-request-id"), b"")
        record = Record(
            request_id(offered.decode("latin-1")),
            method.decode(),
            started=began,
            route=route,
        )
        headers = self.server_state.default_headers
        self.transport.write(
            self.config.refusals.answer(problem, headers, record=record, last=self._is_last)
        )
        if self.unsent:
            self.config.unread.remember(self)
        self._enter(Phase.DROPPING, self._limits.body_s, self._hang_up)
        self.config.pause.begin(self.loop)
        return True

    def _is_for_the_application(self) -> bool:
        """Say whether a request that needs room can only be refused by the application.

        It waits until answers before it are given and read; and what a browser is told needs the
        headers of CORS, which one of its layers adds.
        """
        answering = self.cycle is not None and not self.cycle.response_complete
        return (
            answering
            or self.flow.write_paused
            or any(name == b"origin" for name, _ in self.headers)
        )

    @property
    def _is_crowded(self) -> bool:
        return max(self._at_once, len(self.pipeline)) > _PIPELINED

    def pause_writing(self) -> None:
        """The caller has fallen behind with reading, and has to go on."""
        super().pause_writing()
        if self._then is None:
            self._enter_without_limit(self._phase)

    def resume_writing(self) -> None:
        """The caller has caught up."""
        super().resume_writing()
        if self._phase in (Phase.ANSWERING, Phase.LAST):
            self._enter_without_limit(self._phase)

    @property
    def unsent(self) -> int:
        """Bytes of answers that wait for the caller to read."""
        return self.transport.get_write_buffer_size()

    def shutdown(self) -> None:
        """Close after the answer in progress; called when the server stops."""
        if self._phase is Phase.DROPPING:
            self._close()
        elif self._phase is not Phase.CLOSING:
            super().shutdown()

    def retire(self) -> None:
        """Let the answer to the newest request be the last one, unless it has begun already."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _close(self) -> None:
        """Close behind the last answer, once the caller has stopped sending what he began."""
        if self._phase is Phase.CLOSING:
            return
        if self._phase in (Phase.BODY, Phase.DROPPING, Phase.LAST):
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()
        self._enter(Phase.CLOSING, self._limits.silent_s, self._hang_up)

    def _rest(self) -> None:
        """Between two requests: there is silence once every answer is given."""
        if self.cycle.response_complete and not self.pipeline:
            self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)
        else:
            self._enter_without_limit(Phase.ANSWERING)

    def _enter(self, phase: Phase, seconds: float, then: Callable[[], None]) -> None:
        self._phase = phase
        self._unread = self.unsent
        self._due, self._then = self.loop.time() + seconds, then
        # A request goes through four phases in a moment: one timer, which may ring too early, does
        # for them and for the requests that follow.
        if self._timer is None or self._due < self._rings:
            self._set_timer()

    def _enter_without_limit(self, phase: Phase) -> None:
        self._phase, self._then = phase, None
        if self.flow.write_paused:
            self._enter(phase, self._limits.silent_s, self._hang_up)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._due
        self._timer = self.loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._then is None:
            return
        if self.loop.time() < self._due - _TICK_S:
            self._set_timer()
        else:
            self._then()

    def _hang_up(self) -> None:
        read = self._unread - self.unsent
        if not self.unsent:
            self.transport.close()
        elif read >= _SLOWEST_BYTES_S * self._limits.silent_s:
            self._enter(self._phase, self._limits.silent_s, self._hang_up)
        else:  # a caller who does not read would keep a polite close waiting for ever
            self.transport.abort()

    def _body_late(self) -> None:
        if self.flow.read_paused and not self.flow.write_paused:  # for a handler that is busy
            self._enter(Phase.BODY, self._limits.body_s, self._body_late)
        else:
            self._hang_up()

    def _feed(self, data: memoryview) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                # A request may ask for another protocol, and we may stay with ours (RFC 9110, 7.8).
                # The parser has left its body alone, and would take it for the next request.
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._fail(error, data)
                return
            else:
                return
            if self._phase in _DEAF:
                return
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self._feed(memoryview(head))

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _fail(self, error: httptools.HttpParserError, data: memoryview) -> None:
        fault = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if fault is not None and not isinstance(fault, _BAD_TARGET):
            # The loop logs it and closes the connection; an `OSError` by itself it would take for
            # the connection's own, and not log.
            raise RuntimeError("A callback of the parser failed.") from fault
        if self._at_once > 1:
            data = memoryview(b"")  # it begins with another request
        if self._phase in (Phase.BODY, Phase.DROPPING):
            self._spoil(BadRequest("The body is not valid HTTP/1.1."))
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and is_unknown_method(data):
            self._refuse(UnknownMethod("The method is not known here."))
        else:
            try:
                check_version(version_of(data))
            except Problem as problem:
                self._refuse(problem)
            else:
                self._refuse(BadRequest("The request is not valid HTTP/1.1."))

    def _spoil(self, problem: Problem, *, awaited: bool = True) -> None:
        """Have the body of the request at hand refused, if it is still awaited; take no other."""
        if self._phase is Phase.DROPPING or self.cycle.response_complete:
            self._hang_up()
            return
        self._enter_without_limit(Phase.LAST)
        self.cycle.keep_alive = False
        if awaited:
            note_fault(self.cycle.scope, problem)
            self.cycle.message_event.set()

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
        if self._phase in _DEAF:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Another answer is on its way; two must not mix.
            self.cycle.keep_alive = False
            self._enter_without_limit(Phase.LAST)
            return
        self.transport.write(
            self.config.refusals.answer(problem, self.server_state.default_headers)
        )
        self.transport.write_eof()
        self._enter(Phase.CLOSING, _LINGER_S, self.transport.abort)
