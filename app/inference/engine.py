"""The contract of an engine: it turns a batch of images into a batch of probability maps."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["onnxruntime", "tensorflow"]
Device = Literal["cpu", "gpu"]

_ROUNDING = 1e-5


class EngineError(Exception):
    """A run failed, and the engine lives: the members of the batch may be run again, alone.

    Anything else that an engine raises means that the engine is dead.
    """


class OutOfMemory(EngineError):  # noqa: N818
    """A run did not fit into the memory of the device; a smaller batch may."""


class Engine(Protocol):
    """Runs a loaded model. Blocking, and safe to call from several threads at once."""

    @property
    def name(self) -> EngineName:
        """The library that runs the model."""
        ...

    @property
    def device(self) -> Device:
        """Where the model runs."""
        ...

    @property
    def threads(self) -> int:
        """The processor cores that one run uses at most."""
        ...

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        """Run one batch.

        Args:
            images: uint8 `[N, H, W, 3]`, RGB, at the input size of the model.
            alone: Whether no other batch is at work, which would need its share of the cores.

        Returns:
            Calibrated probabilities in [0, 1], float32 `[N, H, W]`.

        Raises:
            OutOfMemory: The batch does not fit into memory.
            EngineError: The run failed for another reason that leaves the engine usable.
        """
        ...

    def close(self) -> None:
        """Free the model. No run may be under way or follow."""
        ...


def check_probability(maps: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Check what an engine returned.

    Args:
        maps: The answer to a batch.
        shape: The expected shape, `(N, H, W)`.

    Raises:
        EngineError: The shape or the type is another, or a value is no probability, such as NaN.
    """
    if maps.shape != shape or maps.dtype != np.float32:
        raise EngineError(f"The engine gave {maps.dtype} {maps.shape}, expected float32 {shape}.")
    low, high = float(maps.min()), float(maps.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # NaN compares false
        raise EngineError(f"The engine gave values from {low} to {high}, expected [0, 1].")
