"""The probe: proves that the engine is well while nobody asks, or after a run that failed."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from app.inference.batcher import Batcher
from app.inference.engine import EngineError, EngineName
from app.inference.runner import Inferred

PERIOD_SECONDS: dict[EngineName, float] = {"onnxruntime": 10.0, "tensorflow": 30.0}
_PAUSE_SECONDS = 1.0
_MAX_FAILURES = 3
# Far above rounding, which differs between batch sizes, and far below nonsense.
_TOLERANCE = 0.05


async def probe_when_idle(
    batcher: Batcher[NDArray[np.uint8], Inferred],
    image: NDArray[np.uint8],
    expected: NDArray[np.float32],
    period: float,
) -> None:
    """Probe for ever; close the batcher when three probes in a row fail.

    Args:
        batcher: What leads to the engine.
        image: A harmless image, uint8 `[h, w, 3]`.
        expected: What the engine answered to it when it was warmed, float32 `[h, w]`.
        period: Seconds without a run after which to probe.
    """
    failures = 0
    while failures < _MAX_FAILURES:
        if failures:
            await asyncio.sleep(_PAUSE_SECONDS)
        elif await _busy(batcher, period):
            continue
        try:
            _compare(await batcher.submit(image), expected)
            failures = 0
        except EngineError as error:
            batcher.doubt(error)
            failures += 1
    batcher.close(f"The engine failed {failures} probes in a row: {batcher.last_error}")


async def _busy(batcher: Batcher[NDArray[np.uint8], Inferred], period: float) -> bool:
    """Wait for a period, or for a run that fails; return whether all is well without a probe."""
    runs = batcher.runs
    try:
        async with asyncio.timeout(period):
            await batcher.trouble.wait()
    except TimeoutError:
        return batcher.runs != runs
    return False


def _compare(answer: Inferred, expected: NDArray[np.float32]) -> None:
    if np.abs(answer.probability - expected).max() > _TOLERANCE:
        raise EngineError("The answer to the probe has changed.")
