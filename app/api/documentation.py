"""What the OpenAPI description says beyond what FastAPI can see in the code."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from app.api import problems
from app.api.body import PART
from app.api.examples import (
    EXAMPLE_REQUEST_ID,
    answer_examples,
    example_image,
    picture_example,
    refer,
)
from app.api.negotiation import Format
from app.api.problems import Problem
from app.api.schemas import NOTICE, ProblemDocument
from app.imaging import MEDIA_TYPES

Responses = dict[int | str, dict[str, Any]]

DESCRIPTION: Final = (
    "Marks polyps in colonoscopy images. Send an image, get the mask at the size of that image: "
    f"as a PNG, or as COCO run lengths in JSON. {NOTICE}"
)

HEADERS: Final = {
    "X-Request-Id": "The caller's id of the request if it is 1 to 64 letters, digits, dots, "
    "underscores, tildes and hyphens; a new one replaces any other.",
    "X-Model": "Name and version of the model.",
    "X-Model-Sha256": "SHA-256 of the bundle's manifest, which holds those of all its files.",
    "Server-Timing": "Milliseconds of decode, queue, infer and encode of a prediction, and of "
    "every answer total.",
}
MASK_HEADERS: Final = {
    "X-Polyp-Detected": "`true` exactly when the mask is not empty.",
    "X-Mask-Area": "Pixels of the mask.",
    "X-Threshold": "Probability from which on a pixel belongs to the mask.",
}
RETRY_HEADER: Final = {"Retry-After": "Seconds after which to try again."}

EXPOSED: Final = (*HEADERS, *MASK_HEADERS, *RETRY_HEADER)
"""Headers that a script of an allowed web page may read."""

_BINARY: Final = {"type": "string", "format": "binary"}
_PROBLEM: Final = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
_PHANTOM: Final = "phantom"
_KEY: Final = "api_key"
_PROTECTED: Final = ("/predict", "/model")

REQUEST_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": f"The image file: as the part `{PART}` of a form, or as the body itself. "
        "The bytes decide what it is; the declared type only chooses between the two.",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [PART], "properties": {PART: _BINARY}}
            },
            "application/octet-stream": {"schema": _BINARY},
            **{kind: {"schema": _BINARY} for kind in MEDIA_TYPES.values()},
            MEDIA_TYPES["PNG"]: {"schema": _BINARY, "examples": {_PHANTOM: refer(_PHANTOM)}},
        },
    }
}

# What can be wrong before there is a request, so that any operation may be answered with it.
CONNECTION_PROBLEMS: Final[tuple[type[Problem], ...]] = (
    problems.BadRequest,
    problems.HeaderTimeout,
    problems.HeadersTooLarge,
)

# What a prediction can run into, in the order in which it is found out unless the line is full.
PREDICT_PROBLEMS: Final = (
    problems.Unauthorized,
    problems.InvalidParameter,
    problems.UnsupportedMediaType,
    problems.BodyTooLarge,
    problems.NotReady,
    problems.Draining,
    problems.QueueFull,
    problems.BodyTimeout,
    problems.UndecodableImage,
    problems.TooManyPixels,
    problems.DeadlineExceeded,
    problems.InternalError,
)


def problem_answers(*kinds: type[Problem]) -> Responses:
    """Describe these problems and those of any operation, those of one status together."""
    answers: Responses = {}
    for kind in (*kinds, *CONNECTION_PROBLEMS):
        answer = answers.setdefault(
            kind.status,
            {
                "description": HTTPStatus(kind.status).phrase,
                "content": {problems.MEDIA_TYPE: {"schema": _PROBLEM, "examples": {}}},
            },
        )
        answer["content"][problems.MEDIA_TYPE]["examples"][kind.code()] = refer(kind.code())
    return answers


def json_answers(
    model: type[BaseModel], *kinds: type[Problem], also: Iterable[int] = ()
) -> Responses:
    """Describe an answer in JSON, of status 200 and of those in `also`, and its problems."""
    answers: Responses = {status: {"model": model} for status in (200, *also)}
    return answers | problem_answers(*kinds)


def text_answers(media_type: str, *kinds: type[Problem]) -> Responses:
    """Describe an answer in text, and its problems."""
    text = {"content": {media_type: {"schema": {"type": "string"}}}}
    return {200: text, **problem_answers(*kinds)}


def picture_answers(*kinds: type[Problem]) -> Responses:
    """Describe a prediction that is answered with a PNG, and its problems."""
    picture = {
        "content": {"image/png": {"schema": _BINARY}},
        "headers": _describe(MASK_HEADERS),
    }
    return {200: picture, **problem_answers(*kinds)}


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of an application; it is made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _describe_app(app)
    return app.openapi_schema


def _describe_app(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    components = description["components"]
    components["schemas"][ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    components["schemas"][Format.__name__] = TypeAdapter(Format).json_schema()
    components["securitySchemes"] = {
        _KEY: {
            "type": "http",
            "scheme": "bearer",
            "description": "Needed only where the operator has set keys.",
        }
    }
    components["examples"] = {
        _PHANTOM: picture_example(example_image(), "A generated phantom"),
        **{kind.code(): _problem(kind) for kind in problems.all_problems()},
    }
    examples = answer_examples()
    for path, methods in description["paths"].items():
        for operation in methods.values():
            if path.startswith(_PROTECTED):
                operation["security"] = [{}, {_KEY: []}]
            for status, answer in operation["responses"].items():
                headers = HEADERS | (RETRY_HEADER if _may_be_repeated(status, answer) else {})
                answer.setdefault("headers", {}).update(_describe(headers))
                for media_type, content in answer["content"].items():
                    content |= examples.get((operation["operationId"], status, media_type), {})
    return description


def _problem(kind: type[Problem]) -> dict[str, Any]:
    return {
        "summary": kind.title,
        "description": kind.__doc__,
        "value": kind(kind.example).document(EXAMPLE_REQUEST_ID),
    }


def _may_be_repeated(status: str, answer: dict[str, Any]) -> bool:
    return status in ("429", "503") and problems.MEDIA_TYPE in answer["content"]


def _describe(headers: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
