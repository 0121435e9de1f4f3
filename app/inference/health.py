"""The state of the service, and what it says about itself."""

from dataclasses import dataclass
from enum import StrEnum

from app.inference.engine import Device, EngineName


class State(StrEnum):
    """Where the service stands; only `READY` is ready."""

    STARTING = "starting"
    """The model is being loaded and warmed."""
    READY = "ready"
    """Every bucket is warm, and the last run went well."""
    DEGRADED = "degraded"
    """The last run failed, or the engine was lost and is being replaced."""
    DRAINING = "draining"
    """The service is about to stop; what was accepted is finished."""
    FAILED = "failed"
    """There is no engine and there will be none; the process ought to end."""


@dataclass(frozen=True, slots=True)
class Health:
    """One look at the service.

    Attributes:
        state: The state.
        reason: Why, in one line.
        engine: The library that runs the model, None until one is loaded.
        device: Where it runs, None until an engine is loaded.
        model_name: Name of the model.
        model_version: Version of the bundle.
        model_sha256: SHA-256 of the bundle's manifest.
        queue_depth: Requests that are admitted and not yet answered.
        queue_limit: Requests that are admitted at most, 0 until an engine is loaded.
        batch_limit: Most images in one run.
        slots: Batches that run at once.
        threads: Processor cores of a run that is alone.
    """

    state: State
    reason: str
    engine: EngineName | None
    device: Device | None
    model_name: str
    model_version: str
    model_sha256: str
    queue_depth: int
    queue_limit: int
    batch_limit: int | None
    slots: int | None
    threads: int | None

    @property
    def ready(self) -> bool:
        """Whether new requests ought to be sent here."""
        return self.state is State.READY
