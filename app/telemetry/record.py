"""What is known about one request: the source of its log line, its headers and its metrics."""

import random
import re
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, cast

from starlette.requests import HTTPConnection
from starlette.types import Scope

STAGES: Final[tuple[str, ...]] = ("decode", "queue", "infer", "encode")

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
# An id has to differ from the others, not to be secret. To ask the system for each would let go of
# the interpreter's lock, and wait for it again.
_draw: Final = random.Random().getrandbits  # noqa: S311


def request_id(offered: str | None) -> str:
    """Return the caller's request id if it is well-formed, else a new one.

    Well-formed are 1 to 64 letters, digits, dots, underscores, tildes and hyphens: nothing that
    could break out of a log line or a header.
    """
    if offered is not None and _WELL_FORMED.fullmatch(offered):
        return offered
    return f"{_draw(128):032x}"


@dataclass(slots=True)
class Record:
    """One request, filled in as it passes.

    Attributes:
        request_id: The caller's id, or one of ours.
        method: HTTP method.
        model: Name and version of the model, as in ``X-Model``.
        started: `time.perf_counter` when the headers had arrived.
        route: Path of the route as written in the code; None where no route fits. Never the path
            of the request, which is the caller's text.
        status: Status of the answer; None until it starts.
        code: Problem code of the answer, if it is one.
        format: What was answered: `png`, `json`, ...
        bytes_in: Bytes of the image.
        bytes_out: Bytes of the body of the answer.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        timings_ms: Milliseconds by stage of a prediction; empty for every other answer.
        aborted: The caller hung up before the answer was complete.
        total_ms: Milliseconds from headers to the last byte of the answer; set at the end.
    """

    request_id: str
    method: str
    model: str | None = None
    started: float = field(default_factory=perf_counter)
    route: str | None = None
    status: int | None = None
    code: str | None = None
    format: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    width: int | None = None
    height: int | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    aborted: bool = False
    total_ms: float | None = None

    def elapsed_ms(self) -> float:
        """Milliseconds since the request's headers had arrived."""
        return (perf_counter() - self.started) * 1000

    def server_timing(self) -> str:
        """The ``Server-Timing`` header, as of now (W3C Server Timing)."""
        timings = self.timings_ms
        entries = [f"{stage};dur={timings[stage]:.2f}" for stage in STAGES if stage in timings]
        return ", ".join([*entries, f"total;dur={self.elapsed_ms():.2f}"])

    def fields(self) -> dict[str, Any]:
        """The fields of the log line: those that are known."""
        known: dict[str, Any] = {
            name: value
            for name in _LOGGED
            if (value := getattr(self, name)) is not None and value is not False
        }
        timings = dict(self.timings_ms)
        if self.total_ms is not None:
            timings["total"] = self.total_ms
        return known | {"timing_ms": {stage: round(ms, 2) for stage, ms in timings.items()}}


_LOGGED: Final = tuple(
    name for name in Record.__slots__ if name not in {"started", "timings_ms", "total_ms"}
)


def record_of(connection: HTTPConnection | Scope) -> Record:
    """Return the record of the request at hand."""
    scope = connection.scope if isinstance(connection, HTTPConnection) else connection
    return cast(Record, scope["state"]["record"])
