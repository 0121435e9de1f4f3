"""What the handlers share, and how they come by it."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.api.body import BodyMemory
from app.api.gate import Gate
from app.api.problems import Unauthorized
from app.inference import Bundle, Predictor
from app.keys import Digests, is_known
from app.settings import Settings
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Context:
    """Made once for each application.

    Attributes:
        settings: What the operator has set.
        keys: Digests of the API keys; none of them means that everybody may ask.
        predictor: What answers, and the bundle that it serves.
        gate: Who may pass while the line is full.
        bodies: Memory for request bodies.
        metrics: What Prometheus is told.
        card: The model card; None if the bundle holds none.
    """

    settings: Settings
    keys: Digests
    predictor: Predictor
    gate: Gate
    bodies: BodyMemory
    metrics: Metrics
    card: bytes | None

    @property
    def bundle(self) -> Bundle:
        """The verified bundle."""
        return self.predictor.bundle


def context_of(request: Request) -> Context:
    """Return what the handlers of the application share."""
    return cast(Context, request.app.state.context)


async def _context(request: Request) -> Context:
    return context_of(request)


ContextDep = Annotated[Context, Depends(_context)]


async def authorize(request: Request) -> None:
    """Let the request pass if it carries a key that is known, or if there are no keys.

    Raises:
        Unauthorized: It does not. The sentence is the same for every reason but a missing key.
    """
    keys = context_of(request).keys
    if not keys:
        return
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("Send an API key: 'Authorization: Bearer KEY'.")
    # Starlette has decoded the header as latin-1; the digest is of the bytes that came.
    if not is_known(key.strip().encode("latin-1"), keys):
        raise Unauthorized("The API key is not known.")
