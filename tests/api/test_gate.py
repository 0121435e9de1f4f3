"""Predictions are turned away in front of the router while the line is full."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.api import predict, problems
from tests.api.conftest import Client, Serving
from tests.api.test_problems import check


@asynccontextmanager
async def full(client: Client) -> AsyncIterator[None]:
    """Fill the line."""
    predictor = client.context.predictor
    async with AsyncExitStack() as stack:
        while predictor.health.queue_depth < predictor.health.queue_limit:
            (await stack.enter_async_context(predictor.admit())).line_up()
        yield


@pytest.mark.parametrize("path", [route.path for route in predict.router.routes])  # type: ignore[attr-defined]
async def test_every_prediction_passes_it(client: Client, png: bytes, path: str) -> None:
    async with full(client):
        # A parameter that is not valid: nobody has looked at it.
        answer = await client.post(path, params={"threshold": "9"}, content=png)
    check(answer, problems.QueueFull)
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-Model"] == "tiny/1"
    assert client.context.predictor.tally.dropped["rejected"] == 1
    counted = f'polypseg_requests_total{{format="",route="{path}",status="429"}} 1.0'
    assert counted in client.context.metrics.render().decode()

    check(await client.post(path, params={"threshold": "9"}), problems.InvalidParameter)
    assert (await client.post(path, content=png)).status_code == 200


async def test_nothing_else_does(client: Client) -> None:
    async with full(client):
        check(await client.get("/predict"), problems.MethodNotAllowed)
        check(await client.post("/predict/nothing"), problems.NotFound)
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/model")).status_code == 200
    assert client.context.predictor.tally.dropped["rejected"] == 0


async def test_a_browser_may_read_the_refusal(serving: Serving, png: bytes) -> None:
    origin = {"Origin": "https://viewer.example"}
    async with serving(cors_origins=(origin["Origin"],)) as client, full(client):
        answer = await client.post("/predict", content=png, headers=origin)
    check(answer, problems.QueueFull)
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]


async def test_a_service_that_stops_is_not_full(client: Client, png: bytes) -> None:
    async with full(client):
        client.context.predictor._admission.closed = True
        check(await client.post("/predict", content=png), problems.Draining)
    assert client.context.predictor.tally.dropped["rejected"] == 0


async def test_a_service_without_an_engine_is_not_full(client: Client, png: bytes) -> None:
    async with full(client):
        batcher = client.context.predictor._keeper.batcher
        assert batcher is not None
        client.context.predictor._keeper.batcher = None
        check(await client.post("/predict", content=png), problems.NotReady)
        client.context.predictor._keeper.batcher = batcher
    assert client.context.predictor.tally.dropped["rejected"] == 0
