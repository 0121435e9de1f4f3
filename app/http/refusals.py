"""Answers that are given in front of the application."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from app.api.problems import MEDIA_TYPE, Problem, problem_body
from app.telemetry.middleware import Observer
from app.telemetry.record import Record, request_id


class Refusals:
    """Makes such answers and tells of them.

    Args:
        headers: Headers of every answer.
        observers: Told about each of them.
    """

    def __init__(self, headers: Mapping[str, str], observers: Sequence[Observer] = ()) -> None:
        self._model = headers.get("X-Model")
        self._observers = observers
        # What every answer has is put together once.
        fixed = {"Content-Type": MEDIA_TYPE, **headers}
        self._headers = b"".join(line(name, value) for name, value in fixed.items())

    def answer(
        self,
        problem: Problem,
        also: Iterable[tuple[bytes, bytes]] = (),
        *,
        record: Record | None = None,
        last: bool = True,
        bodiless: bool = False,
    ) -> bytes:
        """Return the bytes of an answer.

        Args:
            problem: What is wrong.
            also: More headers.
            record: What is known of the request, if there ever was one.
            last: Whether it is the last answer on its connection.
            bodiless: Leave out the body, as for HEAD (RFC 9110, 9.3.2).
        """
        record = record or Record(request_id(None), "-")
        record.model = self._model
        record.status, record.code = problem.status, problem.code()
        body = problem_body(problem, record.request_id)
        own = {
            "Content-Length": len(body),
            **problem.headers,
            "X-Request-Id": record.request_id,
            "Server-Timing": record.server_timing(),
        }
        if last:
            own["Connection"] = "close"
        answer = b"".join(
            (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n".encode(),
                self._headers,
                *(line(name, value) for name, value in own.items()),
                *(b"%b: %b\r\n" % header for header in also),
                b"\r\n",
                b"" if bodiless else body,
            )
        )
        record.bytes_out = 0 if bodiless else len(body)
        record.total_ms = record.elapsed_ms()
        for observe in self._observers:
            observe(record)
        return answer


def line(name: str, value: object) -> bytes:
    """Return a line of a head."""
    return f"{name.lower()}: {value}\r\n".encode("latin-1")
