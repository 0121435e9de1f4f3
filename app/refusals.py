"""Answers that are given in front of the application."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from app.api.problems import MEDIA_TYPE, Problem, problem_body
from app.telemetry.middleware import Observer
from app.telemetry.record import Record, request_id


@dataclass(frozen=True, slots=True)
class Refusals:
    """Makes such answers and tells of them.

    Attributes:
        headers: Headers of every answer.
        observers: Told about each of them.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    observers: Sequence[Observer] = ()

    def answer(
        self,
        problem: Problem,
        also: Iterable[tuple[bytes, bytes]] = (),
        *,
        request: tuple[Any, float] | None = None,
        last: bool = True,
    ) -> bytes:
        """Return the bytes of an answer.

        Args:
            problem: What is wrong.
            also: More headers.
            request: The scope, with the route, and `perf_counter` when the headers had arrived, if
                there ever was a request.
            last: Whether it is the last answer on its connection.
        """
        record = _record(*request) if request else Record(request_id(None), "-")
        record.model = self.headers.get("X-Model")
        record.status, record.code = problem.status, problem.code()
        body = problem_body(problem, record.request_id)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": len(body),
            **problem.headers,
            **self.headers,
            "X-Request-Id": record.request_id,
            "Server-Timing": record.server_timing(),
        }
        if last:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
        lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode("latin-1")
        record.bytes_out = len(body)
        record.total_ms = record.elapsed_ms()
        for observe in self.observers:
            observe(record)
        return b"\r\n".join([head, *(b"%b: %b" % header for header in also), b"", body])


def _record(scope: Any, started: float) -> Record:
    offered = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return Record(
        request_id(offered.decode("latin-1")),
        scope["method"],
        started=started,
        route=scope["route"].path,
    )
