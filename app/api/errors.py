"""Maps what the layers below and the router raise to problems."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app import imaging
from app.api import problems
from app.api.problems import Problem, answer_problem
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


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn the errors of imaging and inference into the problems that they are to a caller."""
    try:
        yield
    except tuple(_PROBLEMS) as error:
        raise as_problem(error) from error


def as_problem(error: Exception) -> Problem:
    """Return the problem that an error of imaging or inference is to a caller."""
    kind = next(kind for kind in type(error).__mro__ if kind in _PROBLEMS)
    return _PROBLEMS[kind](error)


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
