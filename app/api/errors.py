"""Maps what the layers below raise to problems, and parameters that do not fit to one sentence."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import imaging
from app.api import problems
from app.api.negotiation import Format
from app.api.problems import Problem, answer_problem, forget_frames
from app.inference import errors

_PROBLEMS: Final[dict[type[Exception], Callable[[Any], Problem]]] = {
    imaging.UndecodableImage: lambda error: problems.UndecodableImage(str(error)),
    imaging.UnsupportedFormat: lambda error: problems.UnsupportedMediaType(str(error)),
    imaging.TooManyPixels: lambda error: problems.TooManyPixels(str(error)),
    errors.QueueFull: lambda error: problems.QueueFull(str(error), error.retry_after),
    errors.NotReady: lambda error: problems.NotReady(str(error), error.retry_after),
    errors.Draining: lambda error: problems.Draining(str(error), error.retry_after),
    errors.DeadlineExceeded: lambda _: problems.DeadlineExceeded(
        "The deadline passed while the request was waiting; it was not run."
    ),
}

_EXPECTED: Final = {
    "threshold": "a decimal over 0 and under 1, such as 0.5",
    "format": "one of " + ", ".join(f"'{name}'" for name in Format),
    "rle": "'list' or 'compressed'",
    "X-Request-Timeout-Ms": "a whole number of milliseconds, at least 1",
}
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn the errors of imaging and inference into the problems that they are to a caller."""
    try:
        yield
    except tuple(_PROBLEMS) as error:
        kind = next(kind for kind in type(error).__mro__ if kind in _PROBLEMS)
        raise _PROBLEMS[kind](error) from error


async def answer_invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer parameters that do not fit; an exception handler of Starlette."""
    faults = error.errors()
    for fault in faults:
        forget_frames(fault.get("ctx", {}).get("error"))
    sentences = [_sentence(fault["type"], str(fault["loc"][-1])) for fault in faults]
    problem = problems.InvalidParameter(" ".join(sentences))
    problem.__cause__ = error
    return await answer_problem(request, problem)


async def answer_http(request: Request, error: HTTPException) -> Response:
    """Answer what the router refuses; an exception handler of Starlette."""
    if error.status_code == problems.MethodNotAllowed.status:
        allowed = (error.headers or {}).get("Allow", "")
        problem: Problem = problems.MethodNotAllowed(
            f"{request.method} is not allowed here.",
            {"Allow": "GET, HEAD" if allowed == "GET" else allowed},  # `Router` has both
        )
    elif error.status_code == problems.NotFound.status:
        problem = problems.NotFound("Nothing is served here; /docs lists what there is.")
    else:
        problem = problems.BadRequest("The request cannot be understood.")
    return await answer_problem(request, problem)


async def refuse_repeated(request: Request) -> None:
    """Let the request pass if no parameter of the query has two values; a dependency of FastAPI.

    Raises:
        InvalidParameter: One has.
    """
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if count > 1:
            raise problems.InvalidParameter(f"Parameter{_shown(name)} is given more than once.")


def _shown(name: str) -> str:
    """Repeat the caller's text only where it can be a slip of the pen."""
    return f" '{name}'" if _NAME.fullmatch(name) else ""


def _sentence(fault: str, name: str) -> str:
    if fault == "extra_forbidden":
        return f"There is no parameter{_shown(name)} here."
    return f"Parameter '{name}' is invalid; expected {_EXPECTED[name]}."
