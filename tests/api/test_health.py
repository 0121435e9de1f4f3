"""Health tells the truth in every state."""

from app.api.schemas import NOTICE
from tests.api.conftest import Client, Gate, Serving
from tests.waiting import until


async def verdict(client: Client) -> tuple[int, int, str]:
    """Return both statuses and the state; the two documents must not differ."""
    details, ready = await client.get("/health"), await client.get("/health/ready")
    assert details.json() == ready.json()
    return details.status_code, ready.status_code, details.json()["state"]


async def test_alive_whatever_happens(serving: Serving) -> None:
    async with serving(loading=Gate(), wait=False) as client:
        answer = await client.get("/health/live")
        assert answer.status_code == 200
        assert answer.json() == {"status": "alive", "notice": NOTICE}
        client.context.predictor.retire()
        assert (await client.get("/health/live")).status_code == 200


async def test_starting_then_ready_then_draining(serving: Serving) -> None:
    gate = Gate()
    async with serving(loading=gate, wait=False) as client:
        assert await verdict(client) == (503, 503, "starting")
        document = (await client.get("/health")).json()
        assert document["engine"] is document["device"] is document["batch_limit"] is None
        gate.open.set()
        await client.context.predictor.wait_ready()
        assert await verdict(client) == (200, 200, "ready")
        client.context.predictor.retire()
        assert await verdict(client) == (503, 503, "draining")


async def test_details(client: Client) -> None:
    async with client.context.predictor.admit() as slot:
        slot.line_up()
        document = (await client.get("/health")).json()
    assert document.pop("reason").startswith("onnxruntime on the processor: ")
    assert document.pop("queue")["depth"] == 1
    assert document.pop("threads") >= 1
    assert document == {
        "state": "ready",
        "engine": "onnxruntime",
        "device": "cpu",
        "model": {"name": "tiny", "version": "1", "sha256": client.context.bundle.sha256},
        "batch_limit": 2,
        "slots": 1,
        "notice": NOTICE,
    }


async def test_degraded_while_a_lost_engine_is_replaced(serving: Serving, png: bytes) -> None:
    gate, loading = Gate(), Gate()
    gate.error = ZeroDivisionError("division by zero")
    gate.open.set()
    loading.open.set()
    async with serving(gate=gate, loading=loading) as client:
        loading.open.clear()
        assert (await client.post("/predict", content=png)).status_code == 503
        await until(lambda: client.context.predictor.health.batch_limit is None)
        assert await verdict(client) == (503, 503, "degraded")
        loading.open.set()
