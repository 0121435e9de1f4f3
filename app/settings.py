"""Everything that an operator can set, each from one environment variable.

The table in ``docs/operations.md`` is checked against this class by a test.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.keys import Digests, parse_digests

PREFIX = "POLYPSEG_"

# Of training and of the tests, which are often in the same shell.
_OTHERS = frozenset({"COMMIT", "DATA", "SCHEDULES", "SEED"})

_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
_USUAL_PORT = {"http": ":80", "https": ":443"}


class SettingsError(Exception):
    """A setting has a value that cannot be used; one line per wrong setting."""


def _split(value: object) -> object:
    """Turn a comma-separated string into a list, dropping blanks."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _origin(value: str) -> str:
    """Write an origin as browsers do (RFC 6454, 6.2)."""
    if (match := _ORIGIN.fullmatch(value.lower())) is None:
        raise ValueError("expected an origin such as https://viewer.example")
    scheme, host, port = match.groups("")
    return f"{scheme}://{host}{'' if port == _USUAL_PORT[scheme] else port}"


Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)
]
Keys = Annotated[Digests, NoDecode, BeforeValidator(parse_digests)]


class Settings(BaseSettings):
    """The settings of one server process, read from the environment and checked at once."""

    # Empty is what compose makes of a line without a value: not given.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; `0.0.0.0` for every one."
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port; 0 lets the system pick one.")

    model: Path = Field(
        default=Path("models/polyp-unet"),
        description="Folder of the bundle, which holds its versions.",
    )
    model_version: str | None = Field(
        default=None,
        description="Version to serve; the highest one if not set.",
        pattern=r"^[0-9]+$",
    )
    engine: Literal["auto", "onnxruntime", "tensorflow"] = Field(
        default="auto", description="What runs the model: `auto`, `onnxruntime` or `tensorflow`."
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto",
        description="Where it runs: `auto`, `cpu` or `gpu`; `gpu` refuses to start without.",
    )
    max_batch: PositiveInt | None = Field(
        default=None,
        description="Largest batch to try; 1 for ONNX Runtime, 2 for TensorFlow on a CPU, "
        "64 on a GPU if unset.",
    )

    max_body_bytes: PositiveInt = Field(
        default=32 * 2**20, description="Largest request body, multipart framing included."
    )
    max_bodies_bytes: PositiveInt = Field(
        default=256 * 2**20,
        description="Memory for all request bodies, and answers that wait to be read.",
    )
    max_pixels: PositiveInt = Field(
        default=25_000_000, description="Largest image, width times height, from its header."
    )
    deadline_ms: PositiveInt = Field(
        default=10_000, description="Patience for a request that sends no `X-Request-Timeout-Ms`."
    )
    max_deadline_ms: PositiveInt = Field(
        default=60_000, description="Longest patience that `X-Request-Timeout-Ms` may ask for."
    )

    max_header_bytes: PositiveInt = Field(
        default=16 * 2**10, description="Largest request line and headers together."
    )
    header_timeout_s: PositiveFloat = Field(
        default=10.0, description="From the first byte of a request to the end of its headers."
    )
    body_timeout_s: PositiveFloat = Field(
        default=10.0,
        description="From the end of the headers to the end of the body, "
        "if the caller waits so long.",
    )
    idle_timeout_s: PositiveFloat = Field(
        default=30.0,
        description="A connection without a request in progress is closed after this long.",
    )
    drain_delay_s: NonNegativeFloat = Field(
        default=1.0,
        description="From `/health/ready` turning 503 to the listener closing, when told to stop.",
    )
    grace_s: PositiveFloat = Field(
        default=30.0, description="Time that accepted requests get to finish, when told to stop."
    )

    api_keys: Keys = Field(
        default=frozenset(),
        description="SHA-256 digests (hex) of the keys that may use `/predict*` and `/model*`, "
        "separated by commas; no keys, no check.",
    )
    api_keys_file: Path | None = Field(
        default=None, description="File with more such digests, one a line; `#` starts a comment."
    )
    cors_origins: Origins = Field(
        default=(),
        description="Origins of web pages that may call the service, separated by commas.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line: `debug`, `info`, `warning` or `error`."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.deadline_ms > self.max_deadline_ms:
            raise ValueError(
                f"{PREFIX}DEADLINE_MS ({self.deadline_ms}) is over "
                f"{PREFIX}MAX_DEADLINE_MS ({self.max_deadline_ms})"
            )
        if self.max_body_bytes > self.max_bodies_bytes:
            raise ValueError(
                f"{PREFIX}MAX_BODY_BYTES ({self.max_body_bytes}) is over "
                f"{PREFIX}MAX_BODIES_BYTES ({self.max_bodies_bytes})"
            )
        return self

    @property
    def keys(self) -> Digests:
        """The digests of all API keys, from the environment and from the file.

        Raises:
            SettingsError: The file cannot be read or holds something else.
        """
        if self.api_keys_file is None:
            return self.api_keys
        try:
            return self.api_keys | parse_digests(self.api_keys_file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SettingsError(
                f"{PREFIX}API_KEYS_FILE has value '{self.api_keys_file}': {reason}."
            ) from None


def read_settings(**overrides: Any) -> Settings:
    """Read the environment.

    Args:
        overrides: Settings by field name that win over the environment; None means not given.

    Raises:
        SettingsError: A value is wrong; the sentence holds the variable, its value and what was
            expected.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(e) for e in error.errors())) from None
    _ = settings.keys
    return settings


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Find environment variables that look like settings and are none.

    A misspelt `POLYPSEG_API_KEYS` would leave the service open without a word.

    Args:
        names: Of all variables.

    Returns:
        Each of them, with the setting that it is most like; None if it is like none.
    """
    known = [field.upper() for field in Settings.model_fields]
    found = {}
    for name in sorted(names):
        field = name.upper().removeprefix(PREFIX)
        if not name.upper().startswith(PREFIX) or field in known or field in _OTHERS:
            continue
        similar = get_close_matches(field, known, 1)
        found[name] = f"{PREFIX}{similar[0]}" if similar else None
    return found


def _sentence(error: ErrorDetails) -> str:
    location = error["loc"]
    message = error["msg"].removeprefix("Value error, ")
    if not location:
        return f"{message}."
    variable = f"{PREFIX}{location[0]}".upper()
    # A key that someone put where its digest belongs must not end up in a log.
    if location[0] == "api_keys":
        return f"{variable}: {message}."
    return f"{variable} has value '{_printable(str(error['input']))}': {message}."


def _printable(value: str) -> str:
    """Escape what is not printable: a message is one line, whatever it quotes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
