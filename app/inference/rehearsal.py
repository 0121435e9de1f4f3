"""Pictures that nobody took, taken all the way, so that the first request finds a warm path."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.imaging import render_png
from app.inference.bundle import Manifest
from app.inference.picture import Picture
from app.inference.prediction import Prediction
from app.inference.runner import Prepared, Work
from app.inference.threads import Threads
from app.memory import touch_pages

Run = Callable[[Work], Awaitable[Any]]
"""Takes one image through the engine's threads."""


def rehearsal(frame: bytes, manifest: Manifest) -> Picture[bytes]:
    """Return an encoded image that is to be answered with the PNG of its mask."""
    return Picture(frame, manifest, _render, manifest.threshold)


class _First(Picture[bytes]):
    """One whose thread takes the pages that it will need."""

    def prepare(self) -> NDArray[np.uint8]:
        pixels = super().prepare()
        touch_pages()
        return pixels


async def rehearse(
    frame: bytes, manifest: Manifest, run: Run, *, at_once: int, pixels: Threads | None = None
) -> None:
    """Take an image the way of a lone request, then as many at once as there are threads.

    Memory that a thread has never touched, and code that it never ran, make a first request a fifth
    longer. So each thread takes the pages that images up to full HD need, once it has decoded. The
    lone one goes first: while all threads are idle, the first of them gets it.

    Args:
        frame: An encoded image.
        manifest: What the model takes, and how its answer is read.
        run: Takes an image through the engine's threads.
        at_once: The threads that a request may be taken by.
        pixels: Do what is before and after the engine; None if the engine's threads do.

    Raises:
        EngineError: A run failed, or the engine is lost.
    """

    async def take() -> None:
        picture = _First(frame, manifest, _render, manifest.threshold)
        if pixels is None:
            await run(picture)
        else:
            prepared = Prepared(await pixels.submit(picture.prepare))
            await pixels.submit(partial(picture.finish, await run(prepared)))

    await take()
    await asyncio.gather(*(take() for _ in range(at_once)))


def _render(prediction: Prediction) -> bytes:
    return render_png(prediction.segmentation.mask)
