"""Which threads have taken an image all the way when a rehearsal is over."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging import ImageError, decode, phantom_jpeg
from app.inference import Bundle
from app.inference.batcher import Unfit
from app.inference.picture import Picture
from app.inference.rehearsal import rehearsal, rehearse
from app.inference.runner import Inferred, Prepared, Runner, Work
from app.inference.threads import Threads
from tests.inference.fakes import RedEngine

FRAME = phantom_jpeg(48, 64)

Result = TypeVar("Result")


class Noted(Threads):
    """Notes which of its threads make calls."""

    def __init__(self, count: int) -> None:
        super().__init__(count, "noted")
        self.names: list[str] = []

    def submit(self, function: Callable[[], Result]) -> Any:
        """Note who makes the call."""

        def call() -> Result:
            self.names.append(threading.current_thread().name)
            return function()

        return super().submit(call)


class NotedEngine(RedEngine):
    """Notes who runs it; the runs after the first wait for each other."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self.names: list[str] = []
        self.together = threading.Barrier(together)

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        self.names.append(threading.current_thread().name)
        if len(self.names) > 1:
            self.together.wait(20)
        return super().infer(images, alone=alone)


async def test_with_threads_that_do_everything(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    monkeypatch.setattr(
        "app.inference.rehearsal.touch_pages",
        lambda: touched.append(threading.current_thread().name),
    )
    engine = NotedEngine(together=2)
    runner = Runner(engine, 2, {1: 1.0}, cores=(0,))
    works: list[Work] = []

    async def run(work: Work) -> Any:
        works.append(work)
        (answer,) = await runner([work], 1)
        assert not isinstance(answer, Unfit)
        return answer

    await rehearse(FRAME, tiny.manifest, run, at_once=2)
    assert engine.names[0] == "engine-0"
    assert sorted(engine.names[1:]) == ["engine-0", "engine-1"]
    assert sorted(touched) == ["engine-0", "engine-0", "engine-1"]
    assert engine.alone[0] is True
    assert all(isinstance(work, Picture) for work in works)
    runner.close()


async def test_with_threads_beside_the_engine(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    together = threading.Barrier(3)

    def touch() -> None:
        touched.append(threading.current_thread().name)
        if len(touched) > 1:  # the images after the first wait for each other
            together.wait(20)

    monkeypatch.setattr("app.inference.rehearsal.touch_pages", touch)
    engine = RedEngine()
    runner = Runner(engine, 1, {1: 1.0})
    pixels = Noted(3)

    async def run(work: Work) -> Any:
        assert isinstance(work, Prepared)
        (answer,) = await runner([work], 1)
        return answer

    await rehearse(FRAME, tiny.manifest, run, at_once=3, pixels=pixels)
    assert set(pixels.names) == {"noted-0", "noted-1", "noted-2"}
    assert len(pixels.names) == 8  # before the engine, and after it
    assert len(touched) == 4
    assert sorted(touched[1:]) == ["noted-0", "noted-1", "noted-2"]
    assert engine.sizes == [1] * 4
    runner.close()
    pixels.close()


async def test_what_cannot_be_decoded_is_told(tiny: Bundle) -> None:
    async def run(work: Work) -> Any:
        return work.prepare()

    with pytest.raises(ImageError):
        await rehearse(b"no image", tiny.manifest, run, at_once=1)


def test_the_answer_is_a_mask_of_the_frame(tiny: Bundle) -> None:
    picture = rehearsal(FRAME, tiny.manifest)
    pixels = picture.prepare()
    probability = np.ones(pixels.shape[:2], np.float32)
    mask = decode(picture.finish(Inferred(probability, 0.0)).result).pixels
    assert mask.shape == (48, 64, 3)
    assert (mask == 255).all()
