"""The outermost layer: gives every request a record, every answer its headers, and tells."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry.record import Record, request_id

Observer = Callable[[Record], None]
"""Is told about each request once, when it is over, and may keep the record for a while: nobody
changes it any more. A metrics collector is one more of these."""

_ROUTINE: Final = ("/health", "/metrics")

_log = logging.getLogger("polypseg.request")


def log_request(record: Record) -> None:
    """Write the request's log line; what probes and scrapes ask all day is for debugging."""
    routine = record.route is not None and record.route.startswith(_ROUTINE)
    level = logging.DEBUG if routine else logging.INFO
    _log.log(level, "request", extra={"fields": record.fields})


class Telemetry:
    """Pure ASGI, so that it never stands between the caller's hang-up and the handler.

    Args:
        app: The layer below.
        headers: Headers of every answer.
        defaults: Headers of every answer in which nobody has set them.
        observers: Told about each request when it is over.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        headers: Mapping[str, str],
        defaults: Mapping[str, str] | None = None,
        observers: Sequence[Observer] = (log_request,),
    ) -> None:
        self.app = app
        self.headers = dict(headers)
        self._raw, self._defaults = _raw(headers), _raw(defaults or {})
        self.observers = tuple(observers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = Record(
            request_id(Headers(scope=scope).get("x-request-id")),
            scope["method"],
            self.headers.get("X-Model"),
        )
        scope.setdefault("state", {})["record"] = record
        complete = False

        async def send_with_headers(message: Message) -> None:
            nonlocal complete
            if message["type"] == "http.response.start":
                record.status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(header for header in self._defaults if header[0] not in present),
                    *self._raw,
                    (b"x-request-id", record.request_id.encode()),
                    (b"server-timing", record.server_timing().encode()),
                ]
            else:
                if record.method != "HEAD":  # the server leaves it out
                    record.bytes_out += len(message.get("body", b""))
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            record.route = getattr(scope.get("route"), "path", None)
            record.aborted = not complete
            record.total_ms = record.elapsed_ms()
            for observe in self.observers:
                observe(record)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as they stand in an ASGI message."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
