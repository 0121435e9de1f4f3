"""A connection from its first to its last moment, on top of uvicorn's.

It is always in one of these phases, and each but the last has a time limit:

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

A request that comes before the caller has read the answer before it is held: it is begun once that
is read, and only then its body has its own time limit.

The handler limits the time of a body too, and answers 408; the limit here is for bodies that no
handler reads. What still arrives of a body after its answer is read and dropped: closing at once
would make the system send a reset, which can overtake the answer.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.problems import Problem
from app.http.deadline import Deadline
from app.http.exit import Exit
from app.http.limits import Config

# What a caller who was refused may take to read it.
_LINGER_S: Final = 1.0
# Who reads an answer more slowly is taken for gone.
_SLOWEST_BYTES_S: Final = 32 * 1024


class Phase(Enum):
    """What a connection is waiting for."""

    SILENT = auto()
    HEADERS = auto()
    BODY = auto()
    DROPPING = auto()
    ANSWERING = auto()
    LAST = auto()
    CLOSING = auto()


# In these phases nothing is taken any more.
DEAF: Final = (Phase.LAST, Phase.CLOSING)


class Connection(HttpToolsProtocol):
    """One connection; `Protocol` says what is done with the bytes that come."""

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
        self._deadline = Deadline(self.loop)
        self._answering: RequestResponseCycle | None = None
        self._held: tuple[RequestResponseCycle, Any] | None = None
        self._unread = 0

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
        self._exit = Exit(transport, self._close)
        self._fall_silent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and let go of what would keep this object alive."""
        self._deadline.stop()
        self.config.unread.forget(self)
        super().connection_lost(exc)
        self._phase = Phase.CLOSING
        # Uvicorn tells the newest request; the one that is being answered may be an older one.
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        # Circles of references wait for the garbage collector, and it stops the whole service.
        self.cycle = self._answering = self._held = None  # type: ignore[assignment]
        self.pipeline.clear()
        del self._exit

    def on_response_complete(self) -> None:
        """The answer is handed to the system, though perhaps not yet sent."""
        if self._phase is Phase.CLOSING:
            return
        self._exit.end()
        self._remember_unsent()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        # What uvicorn does from here on, but without a clock for the silence: ours runs already.
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._phase is Phase.ANSWERING:
            self._rest()

    def pause_writing(self) -> None:
        """The caller has fallen behind with reading, and has to go on."""
        super().pause_writing()
        if not self._deadline.is_set:
            self._enter_without_limit(self._phase)

    def resume_writing(self) -> None:
        """The caller has caught up."""
        super().resume_writing()
        if self._held is not None and not self.transport.is_closing():
            held, self._held = self._held, None
            super()._start_asgi_task(*held)
            if self._phase is Phase.BODY:
                self._await_body()
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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        if self.flow.write_paused:
            # Its answer would wait in memory behind the one that is not read, and count nowhere.
            self._held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _await_body(self) -> None:
        if self._held is None:
            self._enter(Phase.BODY, self._limits.body_s, self._body_late)
        else:  # nobody reads it before the caller has read
            self._enter(Phase.BODY, self._limits.silent_s, self._hang_up)

    def _body_late(self) -> None:
        if self.flow.read_paused and not self.flow.write_paused:  # for a handler that is busy
            self._await_body()
        else:
            self._hang_up()

    def _remember_unsent(self) -> None:
        if self.unsent:
            self.config.unread.remember(self)

    def _enter(self, phase: Phase, seconds: float, then: Callable[[], None]) -> None:
        self._phase = phase
        self._unread = self.unsent
        self._deadline.set(seconds, then)

    def _enter_without_limit(self, phase: Phase) -> None:
        self._phase = phase
        self._deadline.lift()
        if self.flow.write_paused:
            self._enter(phase, self._limits.silent_s, self._hang_up)

    def _fall_silent(self) -> None:
        self._enter(Phase.SILENT, self._limits.silent_s, self._hang_up)

    def _rest(self) -> None:
        """Between two requests: there is silence once every answer is given."""
        if self.cycle.response_complete and not self.pipeline:
            self._fall_silent()
        else:
            self._enter_without_limit(Phase.ANSWERING)

    def _close(self) -> None:
        """Close behind the last answer, once the caller has stopped sending what he began."""
        if self._phase is Phase.CLOSING:
            return
        self._remember_unsent()
        # What comes meanwhile has to be read: a reset would overtake the rest of the answer.
        if self.unsent or self._phase in (Phase.BODY, Phase.DROPPING, Phase.LAST):
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()
        self._enter(Phase.CLOSING, self._limits.silent_s, self._hang_up)

    def _hang_up(self) -> None:
        read = self._unread - self.unsent
        if not self.unsent:
            self.transport.close()
        elif read >= _SLOWEST_BYTES_S * self._limits.silent_s:
            self._enter(self._phase, self._limits.silent_s, self._hang_up)
        else:  # a caller who does not read would keep a polite close waiting for ever
            self.transport.abort()

    @property
    def _is_for_the_head(self) -> bool:
        # The parser tells the method of the request before this one until it has read another.
        begun = self._phase is Phase.HEADERS and bool(self.url)
        return begun and self.parser.get_method() == b"HEAD"

    def _refuse(self, problem: Problem) -> None:
        """Answer what never became a request, and take nothing more."""
        if self._phase in DEAF:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Another answer is on its way; two must not mix.
            self.cycle.keep_alive = False
            self._enter_without_limit(Phase.LAST)
            return
        # Answers before this one may still be on their way.
        seconds = self._limits.silent_s if self.unsent else _LINGER_S
        headers = self.server_state.default_headers
        self.transport.write(
            self.config.refusals.answer(problem, headers, bodiless=self._is_for_the_head)
        )
        self._remember_unsent()
        self.transport.write_eof()
        self._enter(Phase.CLOSING, seconds, self._hang_up)
