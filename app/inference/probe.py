"""The probe: proves that the engine is well while nobody asks, or after a run that failed."""

import asyncio
import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.batcher import Batcher
from app.inference.engine import EngineError, EngineName
from app.inference.runner import Inferred, Prepared, Work

PERIOD_SECONDS: dict[EngineName, float] = {"onnxruntime": 10.0, "tensorflow": 30.0}
_PAUSE_SECONDS = 1.0
# A run that takes long is watched; this is for a thread that is stuck before or after one.
_PATIENCE_SECONDS = 30.0
_MAX_FAILURES = 3
# Far above rounding, which differs between batch sizes, and far below nonsense.
_TOLERANCE = 0.05


async def probe_when_idle(
    batcher: Batcher[Work, Any],
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
        await (asyncio.sleep(_PAUSE_SECONDS) if failures else _idle(batcher, period))
        try:
            _compare(await _ask(batcher, image), expected)
            failures = 0
        except EngineError as error:
            batcher.doubt(error)
            failures += 1
    batcher.close(f"The engine failed {failures} probes in a row: {batcher.last_error}")


async def _ask(batcher: Batcher[Work, Any], image: NDArray[np.uint8]) -> Inferred:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            answer: Inferred = await batcher.submit(Prepared(image))
            return answer
    except TimeoutError:
        raise EngineError(f"The probe had no answer in {_PATIENCE_SECONDS:g} s.") from None


async def _idle(batcher: Batcher[Work, Any], period: float) -> None:
    """Wait for a period without a run, or for a run that fails."""
    while not batcher.trouble.is_set():
        runs = batcher.runs
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(batcher.trouble.wait(), period)
        if batcher.runs == runs:
            return


def _compare(answer: Inferred, expected: NDArray[np.float32]) -> None:
    if np.abs(answer.probability - expected).max() > _TOLERANCE:
        raise EngineError("The answer to the probe has changed.")
