"""What the HTTP layer gets: real bundle, real engine, real threads."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.imaging import (
    ImageError,
    TooManyPixels,
    decode,
    phantom,
    phantom_jpeg,
    render_overlay,
    render_png,
    segment,
)
from app.inference import (
    Bundle,
    Choice,
    DeadlineExceeded,
    Draining,
    EngineError,
    NotReady,
    Prediction,
    Predictor,
    QueueFull,
    StartError,
    State,
    choose_engine,
    load_bundle,
    predict_image,
    select_engine,
)
from app.inference.engine import Device
from app.inference.loading import Loaded
from app.inference.measurement import measure
from tests.bundles import write_tiny_bundle
from tests.inference.fakes import RedEngine, red

# With one core: two batches of one, and one image a core.
ROOM = 3
FRAME = phantom_jpeg(48, 64)


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's one slot is all that can compute, unless it is a GPU's."""
    monkeypatch.setattr("app.inference.keeper.available_cores", lambda: 1)


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def render_mask(prediction: Prediction) -> tuple[Prediction, bytes]:
    return prediction, render_png(prediction.segmentation.mask)


@asynccontextmanager
async def serving(predictor: Predictor) -> AsyncIterator[Predictor]:
    predictor.start()
    try:
        await predictor.wait_ready()
        yield predictor
    finally:
        await predictor.close()


class House:
    """A predictor whose engine answers with the red channel and can be held and broken."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        rate: float = 100.0,
        deadline: float = 10.0,
        device: Device = "cpu",
    ) -> None:
        self.engine = RedEngine(device)
        self.fault: Exception | None = None
        self.rate = rate
        self.predictor = Predictor(
            bundle, choose_engine(bundle, device="cpu"), deadline=deadline, load=self.load
        )

    def load(self, bundle: Bundle, _choice: Choice, _max_batch: int | None) -> Loaded:
        if self.fault:
            raise self.fault
        image, _mask = phantom(bundle.manifest.input_height, bundle.manifest.input_width)
        how = measure(self.engine, image, lone=0.01, unhelped=0.01, buckets=(1,), seconds=0.0)
        return Loaded(self.engine, "a fake", how, self.rate, FRAME)

    async def held(self) -> None:
        """Wait until the engine is in a run."""
        await asyncio.to_thread(self.engine.entered.acquire)

    def hold(self) -> None:
        self.engine.free.clear()
        while self.engine.entered.acquire(blocking=False):
            pass

    async def answer(self, data: bytes) -> Prediction:
        async with self.predictor.admit() as slot:
            slot.line_up()
            answered = await self.predictor.predict(data, render_mask, deadline=slot.deadline)
            prediction, _ = answered.result
            return prediction


@pytest.mark.parametrize("cropped", [False, True])
async def test_answer_is_that_of_the_one_image_path(root: Path, cropped: bool) -> None:
    write_tiny_bundle(root, threshold=0.4, min_area=20, cropped=cropped)
    bundle = load_bundle(root)
    pixels, mask = phantom(123, 211)
    pixels[:20] = pixels[:, 180:] = 0
    data = render_overlay(pixels, mask)
    engine, _ = select_engine(bundle, device="cpu")
    view, expected = predict_image(engine, bundle.manifest, data)
    async with serving(Predictor(bundle, choose_engine(bundle, device="cpu"))) as predictor:
        async with predictor.admit() as slot:
            slot.line_up()
            answered = await predictor.predict(data, render_mask, deadline=slot.deadline)
        prediction, encoded = answered.result
        assert answered.header == prediction.header == view.header
        np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)
        np.testing.assert_array_equal(prediction.image.pixels, decode(data).pixels)
        wanted = segment(expected, 0.4, min_area=20)
        found = prediction.segmentation
        np.testing.assert_array_equal(found.mask, wanted.mask)
        assert found.regions == wanted.regions
        assert found.score == wanted.score
        assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(encoded))), wanted.mask)
        assert prediction.segmentation is prediction.segmentation
        assert answered.timings_ms.keys() == {"decode", "queue", "infer", "encode"}
        assert all(value >= 0 for value in answered.timings_ms.values())
        health = predictor.health
        assert health.ready
        assert (health.engine, health.device) == ("onnxruntime", "cpu")
        assert (health.model_name, health.model_version) == ("tiny", "1")
        assert health.model_sha256 == bundle.sha256
        assert health.queue_depth == 0
        assert health.queue_limit >= 2
        assert health.batch_limit in {1, 2}
        assert health.slots
        assert health.threads
        assert health.reason.startswith("onnxruntime on the processor")


@pytest.mark.parametrize("device", ["cpu", "gpu"])
async def test_many_at_once_get_each_their_own_answer(tiny: Bundle, device: Device) -> None:
    house = House(tiny, device=device)
    pictures = [np.full((40 + n, 50, 3), (5 * n, 9, 9), np.uint8) for n in range(40)]
    async with serving(house.predictor):
        predictions = await asyncio.gather(*(house.answer(png(p)) for p in pictures))
    for picture, prediction in zip(pictures, predictions, strict=True):
        np.testing.assert_allclose(prediction.probability, red(picture), atol=1e-6)


async def test_threshold_of_the_request_wins(tiny: Bundle) -> None:
    house = House(tiny)
    data = png(np.full((64, 64, 3), 128, np.uint8))
    async with serving(house.predictor) as predictor:
        usual, _ = (await predictor.predict(data, render_mask)).result
        assert usual.segmentation.area_px == 64 * 64
        low, _ = (await predictor.predict(data, render_mask, threshold=0.6)).result
        assert low.segmentation.area_px == 0
        assert low.segmentation.threshold == 0.6


async def test_image_that_is_refused_never_reaches_the_engine(tiny: Bundle) -> None:
    predictor = Predictor(tiny, choose_engine(tiny, device="cpu"), max_pixels=99)
    async with serving(predictor):
        with pytest.raises(ImageError):
            await predictor.predict(b"no image", render_mask)
        with pytest.raises(TooManyPixels):
            await predictor.predict(png(np.zeros((10, 10, 3), np.uint8)), render_mask)
        assert sum(predictor.tally.batches.values()) == 0


async def test_before_the_engine_is_there_nobody_is_let_in(tiny: Bundle) -> None:
    house = House(tiny)
    health = house.predictor.health
    assert (health.state, health.ready) == (State.STARTING, False)
    about_engine = (health.engine, health.device, health.batch_limit, health.slots, health.threads)
    assert about_engine == (None,) * 5
    assert health.queue_limit == 0
    with pytest.raises(NotReady, match="being loaded") as caught:
        await house.answer(b"")
    assert caught.value.retry_after >= 1
    with pytest.raises(NotReady):
        await house.predictor.predict(png(np.zeros((8, 8, 3), np.uint8)), render_mask)
    await house.predictor.close()


async def test_failure_to_start_is_told_with_its_reason(tiny: Bundle) -> None:
    house = House(tiny)
    house.fault = EngineError("no such thing")
    house.predictor.start()
    with pytest.raises(StartError, match="no such thing"):
        await house.predictor.wait_ready()
    assert await house.predictor.wait_failed() == "no such thing"
    assert house.predictor.health.state is State.FAILED
    house.predictor.retire()
    assert house.predictor.health.state is State.FAILED
    await house.predictor.close()


async def test_house_is_bounded_while_the_engine_is_held(tiny: Bundle) -> None:
    house = House(tiny, rate=4.4, deadline=4.0)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        assert predictor.health.queue_limit == 8
        house.hold()
        tasks = [asyncio.create_task(house.answer(data)) for _ in range(20)]
        await house.held()
        assert predictor.health.queue_depth == 8
        house.engine.free.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [result for result in results if isinstance(result, QueueFull)]
        assert len(refused) == 12
        assert {error.retry_after for error in refused} == {2}
        assert predictor.health.queue_depth == 0
        assert predictor.tally.dropped == {"rejected": 12}
        await house.answer(data)


async def test_hasty_caller_is_refused_when_there_is_a_line(tiny: Bundle) -> None:
    house = House(tiny, rate=1.0, deadline=20.0)
    async with serving(house.predictor) as predictor, AsyncExitStack() as line:
        for _ in range(5):
            (await line.enter_async_context(predictor.admit())).line_up()
        with pytest.raises(QueueFull, match="too long for"):
            await line.enter_async_context(predictor.admit(patience=6.0))
        slot = await line.enter_async_context(predictor.admit(patience=12.0))
        assert slot.deadline == pytest.approx(asyncio.get_running_loop().time() + 12.0, abs=1)


async def test_deadline_that_passes_in_the_queue(tiny: Bundle) -> None:
    house = House(tiny)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        with pytest.raises(DeadlineExceeded):
            await predictor.predict(data, render_mask, deadline=asyncio.get_running_loop().time())
        assert predictor.tally.dropped == {"expired": 1}


async def test_callers_that_leave_are_never_run_and_the_next_is_served(tiny: Bundle) -> None:
    house = House(tiny, rate=1000.0)
    data = png(np.full((64, 64, 3), 128, np.uint8))
    async with serving(house.predictor) as predictor:
        house.hold()
        before = len(house.engine.sizes)
        tasks = [asyncio.create_task(house.answer(data)) for _ in range(300)]
        await house.held()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert predictor.health.queue_depth == 0
        house.engine.free.set()
        prediction = await house.answer(data)
        np.testing.assert_allclose(prediction.probability, 128 / 255, atol=1e-6)
        # One was running and one was prepared when they left.
        assert len(house.engine.sizes) - before <= 3


@pytest.mark.parametrize(
    ("device", "cores", "thread"),
    [("cpu", 1, "engine"), ("cpu", 2, "pixels"), ("gpu", 1, "pixels")],
)
async def test_thread_of_the_engine_does_all_where_there_is_a_slot_a_core(
    tiny: Bundle, monkeypatch: pytest.MonkeyPatch, device: Device, cores: int, thread: str
) -> None:
    monkeypatch.setattr("app.inference.keeper.available_cores", lambda: cores)
    house = House(tiny, device=device)
    async with serving(house.predictor) as predictor:
        answered = await predictor.predict(
            png(np.zeros((8, 8, 3), np.uint8)), lambda _: threading.current_thread().name
        )
    assert answered.result.startswith(thread)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
async def test_nothing_is_rendered_for_who_left_during_the_run(
    tiny: Bundle, device: Device
) -> None:
    house = House(tiny, device=device)
    data = png(np.zeros((8, 8, 3), np.uint8))
    rendered: list[Prediction] = []
    async with serving(house.predictor) as predictor:
        house.hold()
        leaving = asyncio.create_task(predictor.predict(data, rendered.append))
        await house.held()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        house.engine.free.set()
        await house.answer(data)
    assert rendered == []


@pytest.mark.parametrize("device", ["cpu", "gpu"])
async def test_answer_that_cannot_be_rendered_fails_alone(tiny: Bundle, device: Device) -> None:
    def fail(_: Prediction) -> bytes:
        raise MemoryError("too large")

    house = House(tiny, device=device)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        with pytest.raises(MemoryError, match="too large"):
            await predictor.predict(data, fail)
        assert predictor.health.ready
        await house.answer(data)


async def test_what_waits_for_a_processor_is_not_decoded(tiny: Bundle) -> None:
    house = House(tiny, rate=1000.0)
    picture, garbage = png(np.full((64, 64, 3), 128, np.uint8)), b"no image"
    async with serving(house.predictor) as predictor:
        house.hold()
        # One runs, the next is decoded meanwhile, the third waits as it came.
        line = [asyncio.create_task(house.answer(picture)) for _ in range(2)]
        await house.held()
        left, last = (asyncio.create_task(house.answer(garbage)) for _ in range(2))
        await asyncio.sleep(0.02)  # long enough to decode nine bytes
        assert not any(task.done() for task in (left, last))
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert predictor.tally.dropped == {"cancelled": 1}
        house.engine.free.set()
        await asyncio.gather(*line)
        with pytest.raises(ImageError):
            await last


async def test_an_image_is_decoded_when_a_gpu_can_soon_take_it(tiny: Bundle) -> None:
    house = House(tiny, rate=1000.0, device="gpu")
    picture, garbage = png(np.full((64, 64, 3), 128, np.uint8)), b"no image"
    async with serving(house.predictor) as predictor:
        # What cannot be decoded is found out at once, as long as there is room.
        with pytest.raises(ImageError):
            await house.answer(garbage)
        house.hold()
        line = [asyncio.create_task(house.answer(picture)) for _ in range(3 * ROOM)]
        left = asyncio.create_task(house.answer(garbage))
        late = asyncio.create_task(
            predictor.predict(
                garbage, render_mask, deadline=asyncio.get_running_loop().time() + 0.01
            )
        )
        last = asyncio.create_task(house.answer(garbage))
        await house.held()
        await asyncio.sleep(0.02)  # for the deadline to pass
        assert not any(task.done() for task in (left, late, last))
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert predictor.tally.dropped == {"cancelled": 1}

        house.engine.free.set()
        await asyncio.gather(*line)

        with pytest.raises(DeadlineExceeded):
            await late
        with pytest.raises(ImageError):
            await last
        assert predictor.tally.dropped == {"cancelled": 1, "expired": 1}
        await house.answer(picture)  # every place was given back


@pytest.mark.parametrize("device", ["cpu", "gpu"])
async def test_what_waits_for_a_lost_engine_is_not_decoded(tiny: Bundle, device: Device) -> None:
    house = House(tiny, rate=1000.0, device=device)
    picture = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        house.hold()
        line = [asyncio.create_task(house.answer(picture)) for _ in range(ROOM)]
        await house.held()
        line += [asyncio.create_task(house.answer(b"no image")) for _ in range(20)]
        await asyncio.sleep(0)
        await predictor.close()
        house.engine.free.set()

        answers = await asyncio.gather(*line, return_exceptions=True)

        assert [type(answer) for answer in answers] == [Draining] * len(line)
        assert predictor.tally.dropped == {"failed": len(line)}


async def test_failed_run_shows_in_health_and_the_service_goes_on(tiny: Bundle) -> None:
    house = House(tiny)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        house.engine.errors = [EngineError("bad luck")]
        with pytest.raises(EngineError, match="bad luck"):
            await house.answer(data)
        assert predictor.health.state is State.DEGRADED
        assert "bad luck" in predictor.health.reason
        await house.answer(data)
        assert predictor.health.ready


async def test_lost_engine_is_not_ready_and_then_replaced(tiny: Bundle) -> None:
    house = House(tiny)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        house.engine.errors = [RuntimeError("dead")]
        with pytest.raises(NotReady, match="dead"):
            await house.answer(data)
        async with asyncio.timeout(20):
            while not predictor.health.ready:  # noqa: ASYNC110 - a thread loads
                await asyncio.sleep(0.001)
        await house.answer(data)
        assert predictor.tally.engines_lost == 1


async def test_retired_service_says_so_and_goes_on_until_it_drains(tiny: Bundle) -> None:
    house = House(tiny)
    data = png(np.zeros((8, 8, 3), np.uint8))
    async with serving(house.predictor) as predictor:
        predictor.retire()
        assert predictor.health.state is State.DRAINING
        await house.answer(data)
        house.hold()
        accepted = asyncio.create_task(house.answer(data))
        await house.held()
        draining = asyncio.create_task(predictor.drain(20))
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await house.answer(data)
        assert not draining.done()
        house.engine.free.set()
        await accepted
        assert await draining == 0


async def test_drain_while_starting_is_at_once(tiny: Bundle) -> None:
    house = House(tiny)
    house.predictor.start()
    assert await house.predictor.drain(20) == 0
    assert house.predictor.health.state is State.DRAINING
    with pytest.raises(Draining):
        await house.answer(b"")
    await house.predictor.close()


async def test_close_fails_what_is_left(tiny: Bundle) -> None:
    house = House(tiny)
    async with serving(house.predictor) as predictor:
        house.hold()
        task = asyncio.create_task(house.answer(png(np.zeros((8, 8, 3), np.uint8))))
        await house.held()
        assert await predictor.drain(0.01) == 1
        await predictor.close()
        with pytest.raises(Draining):
            await task
    house.engine.free.set()
