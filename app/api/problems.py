"""Every way in which a request can fail, as RFC 9457 problem details.

One class for each code, with its status and the sentence that says when it is raised. The
sentences are what the documentation shows.
"""

import functools
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.frames import forget_frames
from app.telemetry.record import record_of

MEDIA_TYPE = "application/problem+json"

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)

_log = logging.getLogger("polypseg.api")


class Problem(Exception):  # noqa: N818 - the standard's word
    """A request that cannot be answered as asked.

    Attributes:
        status: HTTP status of every problem of this class.
        title: Short summary, the same for every problem of this class.
        example: What a detail looks like, for the documentation.
        detail: What went wrong this time, in one sentence; never holds bytes of a body.
        headers: Headers of the answer.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    example: ClassVar[str]

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})

    @classmethod
    @functools.cache
    def code(cls) -> str:
        """The code that programs look at: the name of the class in kebab case."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")

    @classmethod
    def type(cls) -> str:
        """The URI of the problem type: its place in the documentation that the service serves."""
        return f"/docs#{cls.code()}"

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem details, ready for JSON."""
        return {
            "type": self.type(),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code(),
            "request_id": request_id,
        }


class UndecodableImage(Problem):
    """The bytes are no image: empty, truncated, text, damaged, several frames."""

    status, title = 400, "The image cannot be decoded"
    example = "The body is empty; send the bytes of an image."


class BadRequest(Problem):
    """The request is not valid HTTP, in its head or in the framing of its body."""

    status, title = 400, "The request is malformed"
    example = "The request is not valid HTTP/1.1."


class Unauthorized(Problem):
    """The service wants an API key and the request has none, or one that is not known."""

    status, title = 401, "An API key is needed"
    example = "Send an API key: 'Authorization: Bearer KEY'."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"WWW-Authenticate": 'Bearer realm="polypseg"'})


class NotFound(Problem):
    """Nothing is served at this path."""

    status, title = 404, "There is nothing here"
    example = "The bundle holds no model card."


class MethodNotAllowed(Problem):
    """The path exists, but not for this method; `Allow` lists those that do."""

    status, title = 405, "The method is not allowed here"
    example = "GET is not allowed here."


class NotAcceptable(Problem):
    """`Accept` leaves none of the types that can be answered."""

    status, title = 406, "No acceptable answer type"
    example = "'Accept' allows none of the types that can be sent: image/png and application/json."


class BodyTimeout(Problem):
    """The body did not arrive in time."""

    status, title = 408, "The body came too slowly"
    example = "The body was not complete after 10 s (65536 bytes had arrived)."


class HeaderTimeout(Problem):
    """The headers did not arrive in time."""

    status, title = 408, "The headers came too slowly"
    example = "The headers were not complete after 10 s."


class BodyTooLarge(Problem):
    """The body has more bytes than the limit."""

    status, title = 413, "The body is too large"
    example = "The body is over the limit of 33554432 bytes."


class TooManyPixels(Problem):
    """The image has more pixels than the limit, as its header says; nothing was decoded."""

    status, title = 413, "The image has too many pixels"
    example = "The image has 50000 x 50000 pixels; at most 25000000 in all are accepted."


class UnsupportedMediaType(Problem):
    """A known format that is not accepted, or a body that is declared to be something else."""

    status, title = 415, "The media type is not supported"
    example = "GIF is not accepted; send PNG, JPEG, TIFF, BMP or WebP."


class InvalidParameter(Problem):
    """A parameter is unknown, missing or out of range; the detail names it and the range."""

    status, title = 422, "A parameter is invalid"
    example = (
        "Parameter 'threshold' is invalid; expected a decimal over 0 and under 1, such as 0.5."
    )


class QueueFull(Problem):
    """More is waiting than can be done in time or held; `Retry-After` says when to come back."""

    status, title = 429, "The queue is full"
    example = "24 requests are in line already."

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail, {"Retry-After": str(max(1, retry_after_s))})


class HeadersTooLarge(Problem):
    """The request line and the headers, or what frames a chunked body, are over the limit."""

    status, title = 431, "The headers are too large"
    example = "The request line and the headers are over the limit of 16384 bytes."


class InternalError(Problem):
    """Something is wrong with the service; the log has the reason under the request id."""

    status, title = 500, "Something went wrong"
    example = "The service failed; its log has the reason."


class UnknownMethod(Problem):
    """The request has a method that HTTP does not know, or asks for a tunnel."""

    status, title = 501, "The method is not known"
    example = "The method is not known here."


class NotReady(Problem):
    """The model is still loading, or is being loaded again."""

    status, title = 503, "The service is not ready"
    example = "The model is being loaded."

    def __init__(self, detail: str, retry_after_s: int = 2) -> None:
        super().__init__(detail, {"Retry-After": str(max(1, retry_after_s))})


class Draining(NotReady):
    """The service is about to stop and takes no new work."""

    status, title = 503, "The service is stopping"
    example = "The service is about to stop."


class DeadlineExceeded(Problem):
    """The caller's patience ran out while the body came or the request waited; it was never run."""

    status, title = 504, "The deadline has passed"
    example = "The deadline passed while the request was waiting; it was not run."


class VersionNotSupported(Problem):
    """The request is of another version of HTTP than 1.0 or 1.1."""

    status, title = 505, "The version of HTTP is not supported"
    example = "HTTP/2.0 is not spoken here; send HTTP/1.1."


def all_problems(base: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """Iterate over every kind of problem, in the order of this module."""
    for kind in base.__subclasses__():
        yield kind
        yield from all_problems(kind)


def problem_body(problem: Problem, request_id: str) -> bytes:
    """Return the body of an answer that tells of a problem."""
    return _ENCODER.encode(problem.document(request_id)).encode()


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return the answer that tells of a problem."""
    return Response(problem_body(problem, request_id), problem.status, problem.headers, MEDIA_TYPE)


async def answer_problem(request: Request, error: Problem) -> Response:
    """Answer a `Problem` that a handler raised; an exception handler of Starlette."""
    record = record_of(request)
    record.code = error.code()
    forget_frames(error)
    return problem_response(error, record.request_id)


class Catch:
    """Pure ASGI layer: turns what nobody caught into `internal-error` and tells the log why."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception:
            record = record_of(scope)
            _log.exception("unhandled error", extra={"fields": {"request_id": record.request_id}})
            if started:
                raise
            problem = InternalError("The service failed; its log has the reason.")
            record.code = problem.code()
            response = problem_response(problem, record.request_id)
            await response(scope, receive, send)
