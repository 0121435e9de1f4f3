"""Applications that serve a tiny bundle in this process, and the images that they are sent."""

import dataclasses
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.api.context import Context
from app.imaging import phantom
from app.inference import Engine, Predictor, choose_engine, load_bundle
from app.inference.loading import Loaded, load
from app.main import create_app
from app.settings import Settings
from tests.bundles import write_tiny_bundle

HEIGHT, WIDTH = 75, 101


class Client(httpx.AsyncClient):
    """Talks to an application in this process; `context` is what its handlers share."""

    app: FastAPI
    context: Context


Serving = Callable[..., AbstractAsyncContextManager[Client]]


class Gate:
    """An engine that does not answer until it is let through, from when the service is ready."""

    def __init__(self) -> None:
        self.shut = False
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.runs = 0
        self.error: Exception | None = None

    def guard(self, loaded: Loaded) -> Loaded:
        """Put the gate before an engine."""
        return dataclasses.replace(loaded, engine=Gated(self, loaded.engine))


class Gated:
    """The real engine behind a gate."""

    def __init__(self, gate: Gate, engine: Engine) -> None:
        self.gate, self.engine = gate, engine
        self.name, self.device, self.threads = engine.name, engine.device, engine.threads
        self.close = engine.close

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        """Wait, then run or fail."""
        if not self.gate.shut:  # a rehearsal
            return self.engine.infer(images, alone=alone)
        self.gate.runs += len(images)
        self.gate.entered.release()
        self.gate.open.wait()
        if self.gate.error is not None:
            raise self.gate.error
        return self.engine.infer(images, alone=alone)


def encode(pixels: NDArray[np.uint8], form: str = "PNG", **options: object) -> bytes:
    """Return an image file, as Pillow writes it."""
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def bundle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle, as `POLYPSEG_MODEL` names it."""
    root = tmp_path_factory.mktemp("models") / "tiny"
    path = write_tiny_bundle(root)
    assert path.parent == root
    return root


@pytest.fixture(scope="session")
def loaded(bundle_root: Path) -> Loaded:
    """The tiny model, warm; used in a fixed way, since a busy machine measures this and that."""
    bundle = load_bundle(bundle_root)
    loaded = load(bundle, choose_engine(bundle))
    fixed = dataclasses.replace(loaded.measurement, slots=1, buckets=(1, 2), p99={1: 1.0, 2: 1.0})
    return dataclasses.replace(loaded, measurement=fixed)


@pytest.fixture
def serving(bundle_root: Path, loaded: Loaded) -> Serving:
    """Serve with settings of one's own."""

    @asynccontextmanager
    async def serve(
        *,
        gate: Gate | None = None,
        loading: Gate | None = None,
        wait: bool = True,
        **settings: object,
    ) -> AsyncIterator[Client]:
        chosen = Settings(**{"model": bundle_root, **settings})  # type: ignore[arg-type]
        engine = loaded if gate is None else gate.guard(loaded)

        def load_at_once(*_: object) -> Loaded:
            if loading is not None:
                loading.open.wait()
            return engine

        predictor = Predictor(
            load_bundle(chosen.model),
            deadline=chosen.deadline_ms / 1000,
            max_pixels=chosen.max_pixels,
            load=load_at_once,
        )
        app = create_app(chosen, predictor)
        async with (
            app.router.lifespan_context(app),
            Client(transport=httpx.ASGITransport(app), base_url="http://service") as client,
        ):
            client.app, client.context = app, app.state.context
            if wait:
                await client.context.predictor.wait_ready()
            if gate is not None:
                gate.shut = True
            yield client

    return serve


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[Client]:
    """A client of a service that is ready, with the default settings."""
    async with serving() as client:
        yield client


@pytest.fixture(scope="session")
def picture() -> NDArray[np.uint8]:
    """A generated phantom, RGB uint8 `[HEIGHT, WIDTH, 3]`."""
    pixels, _ = phantom(HEIGHT, WIDTH, seed=3)
    return pixels


@pytest.fixture(scope="session")
def png(picture: NDArray[np.uint8]) -> bytes:
    """The phantom as a PNG."""
    return encode(picture)
