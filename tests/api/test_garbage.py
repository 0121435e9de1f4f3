"""Requests leave nothing behind that only the garbage collector could free."""

import gc
import math
import weakref

import pytest

from app.api.disconnect import CancelOnDisconnect
from app.inference.errors import QueueFull
from app.telemetry.record import Record
from tests.api.conftest import Client
from tests.api.test_gate import full
from tests.waiting import until


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/predict", None, 200),
        ("/predict/json", None, 200),
        ("/predict", b"no image", 400),
        ("/predict", b"\xff\xd8\xff\xe0 damaged", 400),
        ("/predict?threshold=9", None, 422),
        ("/predict?nothing=1", None, 422),
        ("/health/live", None, 405),
    ],
)
async def test_a_request_is_freed_when_it_is_answered(
    client: Client, png: bytes, path: str, content: bytes | None, status: int
) -> None:
    before = {id(thing) for thing in gc.get_objects()}

    def left() -> list[object]:
        kinds = (Record, CancelOnDisconnect)
        new = (thing for thing in gc.get_objects() if id(thing) not in before)
        return [thing for thing in new if isinstance(thing, kinds)]

    answer = await client.post(path, content=png if content is None else content)

    assert answer.status_code == status
    client.context.metrics.render()  # until it is counted, its record is kept
    await until(lambda: not left())


@pytest.mark.usefixtures("no_collector")
async def test_a_refusal_is_freed_at_once(client: Client) -> None:
    def ask() -> weakref.ref[QueueFull]:
        try:
            client.context.predictor._admission.check(math.inf)
        except QueueFull as refusal:
            return weakref.ref(refusal)
        pytest.fail("The line is not full.")

    async with full(client):
        assert ask()() is None
