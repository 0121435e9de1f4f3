"""The requests on a connection, as the parser tells of them, with the limits that uvicorn lacks."""

from time import perf_counter
from typing import Final, cast

import httptools

from app.api.problems import BadRequest, HeadersTooLarge, HeaderTimeout, Problem
from app.http.connection import DEAF, Connection, Phase
from app.http.faults import note_fault
from app.http.head import check_head, what_is_wrong, with_path, without_upgrade
from app.telemetry.record import Record, request_id

# So many requests may wait for the one before them, or come in one packet: each may take fifty
# times the memory of its bytes. Who sends more is closed behind them (RFC 9112, 9.3.2).
_PIPELINED: Final = 16
# The line with the length of a chunk, and the end of the line behind the chunk.
_CHUNK_BYTES: Final = 16
# What uvicorn raises where the target of a request is none.
_BAD_TARGET: Final = (httptools.HttpParserError, UnicodeError)

_BEFORE_BODY: Final = (Phase.SILENT, Phase.HEADERS)
_BEHIND_HEAD: Final = (Phase.BODY, Phase.DROPPING, Phase.ANSWERING)


class Protocol(Connection):
    """One connection, and the requests on it."""

    _is_last = False
    _begun = 0
    _at_once = 0
    _header_bytes = 0
    _partial_bytes = 0
    _framing_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless nothing more is wanted."""
        self.config.pause.notice()
        if self._phase in DEAF:
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
        if self._phase in DEAF:
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
        if self._phase in DEAF:
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
        self._await_body()
        if self.config.last_answers or self._is_crowded:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """Allow for the line that had to come."""
        self._framing_bytes -= _CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body that somebody waits for."""
        self._framing_bytes -= len(body)
        if self._phase is Phase.BODY:
            self._make_room()
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
                self._fall_silent()
            if self._is_last:
                self._close()

    def _make_room(self) -> None:
        """Let the first piece of a body be taken as it is, since most bodies are one piece.

        Added to no bytes it is not copied, nor when they are handed on; added to an array it is.
        """
        held = cast("bytes | bytearray", self.cycle.body)
        if not held:
            self.cycle.body = b""  # type: ignore[assignment]
        elif isinstance(held, bytes):
            self.cycle.body = bytearray(held)

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
        self._remember_unsent()
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
            if self._phase in DEAF:
                return
            head = without_upgrade(
                self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
            )
            self.parser = httptools.HttpRequestParser(self)
            # It is the same request that begins again.
            self._begun -= 1
            self._at_once -= 1
            self._feed(memoryview(head))

    def _fail(self, error: httptools.HttpParserError, data: memoryview) -> None:
        fault = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if fault is not None and not isinstance(fault, _BAD_TARGET):
            # The loop logs it and closes the connection; an `OSError` by itself it would take for
            # the connection's own, and not log.
            raise RuntimeError("A callback of the parser failed.") from fault
        if self._phase in (Phase.BODY, Phase.DROPPING):
            self._spoil(BadRequest("The body is not valid HTTP/1.1."))
        else:
            # Bytes that begin with another request say nothing of this one.
            self._refuse(what_is_wrong(data if self._at_once <= 1 else b"", error))

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
