"""The parameters of a prediction: one model each, read from a request and described for OpenAPI.

FastAPI could do both, but its reading took a sixth of the event loop's time for a prediction.
"""

import re
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar, cast

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.api.negotiation import Format
from app.api.problems import InvalidParameter

PATIENCE: Final = "X-Request-Timeout-Ms"

# Python's own syntax would take `0.5_0`, `+5000` and 1e-320, which is 0 to the model. Clients that
# compute a threshold write up to 17 digits, a few zeros before them.
_FRACTION: Final = re.compile(r"0?\.[0-9]{1,30}")
_WHOLE: Final = re.compile(r"[0-9]{1,100}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_EXPECTED: Final = {
    "threshold": "a decimal over 0 and under 1, such as 0.5",
    "format": "one of " + ", ".join(f"'{name}'" for name in Format),
    "rle": "'list' or 'compressed'",
    PATIENCE: "a whole number of milliseconds, at least 1",
}


# Read by `app.telemetry`, for every request; any text will do.
_REQUEST_ID: Final = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Comes back with the answer and stands in the log. What is not 1 to 64 of "
    "`A-Z a-z 0-9 . _ ~ -` is replaced.",
    "schema": {"type": "string"},
}


def _plain(text: object, form: re.Pattern[str]) -> object:
    if isinstance(text, str) and not form.fullmatch(text):
        raise ValueError("not a plain decimal number")
    return text


Fraction = Annotated[
    float, Field(gt=0, lt=1), BeforeValidator(lambda text: _plain(text, _FRACTION))
]
"""A number over 0 and under 1 in plain decimal digits."""
Count = Annotated[int, Field(ge=1), BeforeValidator(lambda text: _plain(text, _WHOLE))]
"""A whole number from 1 on in plain decimal digits."""


class Parameters(BaseModel):
    """Parameters of any prediction; a field with an alias is a header."""

    # A misspelt `threshold` that changes nothing would be a trap.
    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: Fraction | None = Field(
        default=None,
        description="Probability from which on a pixel belongs to the mask, in plain decimal "
        "digits; the model's own operating threshold if not given.",
    )
    patience_ms: Count | None = Field(
        default=None,
        alias=PATIENCE,
        description="How many milliseconds the caller will wait. A request that cannot be served "
        "in that time is refused at once, or dropped from the queue; what has begun is finished.",
    )


class JsonParameters(Parameters):
    """Parameters of a prediction that is answered with JSON."""

    rle: Literal["list", "compressed"] = Field(
        default="list",
        description="Encoding of the mask: run lengths as a list, or COCO's compressed string.",
    )


class NegotiatedParameters(JsonParameters):
    """Parameters of a prediction whose answer type the caller chooses."""

    format: Format | None = Field(
        default=None, description="Type of the answer; what `Accept` asks for if not given."
    )


Kind = TypeVar("Kind", bound=Parameters)


def read_parameters(request: Request, kind: type[Kind]) -> Kind:
    """Read and validate the parameters of a request.

    Raises:
        InvalidParameter: One is unknown, does not fit, or is twice in the address. Of a header that
            is sent twice, the first counts.
    """
    patience = request.headers.get(PATIENCE)
    if patience is None and not request.scope["query_string"]:
        return cast(Kind, _defaults(kind))
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in kind.model_fields and name != PATIENCE:
            raise InvalidParameter(f"There is no parameter{_shown(name)} here.")
        if name in given:
            raise InvalidParameter(f"Parameter{_shown(name)} is given more than once.")
        if name == PATIENCE:
            raise InvalidParameter(f"'{PATIENCE}' is a header, no parameter of the address.")
        given[name] = value
    if patience is not None:
        given[PATIENCE] = patience
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        sentences = [_sentence(fault["type"], str(fault["loc"][0])) for fault in faults]
        raise InvalidParameter(" ".join(sentences)) from None


@lru_cache
def _defaults(kind: type[Parameters]) -> Parameters:
    return kind()


def describe_parameters(kind: type[Parameters]) -> dict[str, Any]:
    """Return the parameters as OpenAPI wants them in an operation."""
    properties = kind.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
    headers = {field.alias for field in kind.model_fields.values()}
    return {
        "parameters": [
            {
                "name": name,
                "in": "header" if name in headers else "query",
                "required": False,
                "description": schema["description"],
                "schema": schema,
            }
            for name, schema in properties.items()
        ]
        + [_REQUEST_ID]
    }


def _shown(name: str) -> str:
    """Repeat the caller's text only where it can be a slip of the pen."""
    return f" '{name}'" if _NAME.fullmatch(name) else ""


def _sentence(fault: str, name: str) -> str:
    if fault == "extra_forbidden":
        return f"There is no parameter{_shown(name)} here."
    return f"Parameter '{name}' is invalid; expected {_EXPECTED[name]}."
