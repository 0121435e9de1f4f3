"""The proofs of `benchmarks.fire`, short, on a tiny model; nothing here is timed."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.inference.bundle import Manifest, hash_files
from benchmarks.connection import connect
from benchmarks.environments import FOLDER
from benchmarks.fire import added, broken, contract, hangups, leak, sigterm
from benchmarks.fire.proof import Figure
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import scenes
from tests.bundles import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")
    (bundle / "model_card.md").write_text("# A tiny model\n")
    manifest = bundle / "manifest.json"
    listed = Manifest.model_validate_json(manifest.read_text())
    manifest.write_text(listed.model_copy(update={"files": hash_files(bundle)}).model_dump_json())
    return bundle


@pytest.fixture(scope="module")
def service(bundle: Path) -> Iterator[Service]:
    with serve(bundle) as service:
        yield service


def test_broken_images_get_a_documented_status(service: Service) -> None:
    statuses, _ = asyncio.run(broken.ask(service, images=2000, seed=7))
    assert statuses.total() == 2000
    assert statuses.keys() <= broken.DOCUMENTED
    assert statuses[400] > 500, "they are hardly broken"
    assert service.get("/health/ready").status_code == 200


@pytest.mark.parametrize("data", broken.sound())
def test_they_are_sound_before_they_are_broken(service: Service, data: bytes) -> None:
    async def ask() -> int:
        connection = await connect(service.port)
        status, _ = await connection.ask(service.target().request(data))
        connection.hang_up()
        return status

    assert asyncio.run(ask()) == 200


def test_what_is_added_is_less_than_what_the_caller_waits(service: Service) -> None:
    request = service.target().request(scenes("384x288")[0])
    with socket.create_connection(("127.0.0.1", service.port), 30) as connection:
        seconds, answer = added.ask(connection, request)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"IEND\xaeB`\x82"), "the whole body"
    assert 0 < added.stages_ms(answer) < 1000 * seconds
    found = added.added_ms(service, "384x288", 20)
    assert len(found) == 18
    assert all(0 < one < 5000 for one in found)


def test_stages_are_those_that_are_not_added() -> None:
    timing = b"server-timing: decode;dur=1.50, queue;dur=9.00, infer;dur=2.00, encode;dur=4.00, "
    assert added.stages_ms(b"HTTP/1.1 200 OK\r\n" + timing + b"total;dur=20.00\r\n\r\n") == 7.5


def test_mixed_requests(service: Service) -> None:
    found, statuses = asyncio.run(leak.readings(service, 240))
    assert len(found) == 40
    assert statuses.keys() <= {200, 400, 404, 408, 413, 422, 429, 504}
    assert {200, 400, 404, 413, 422} <= statuses.keys()
    assert service.get("/health/ready").status_code == 200


@pytest.mark.skipif(
    not (FOLDER / "schemathesis").exists(),
    reason="needs an environment of its own: python -m benchmarks.environments schemathesis",
)
def test_schemathesis(service: Service) -> None:
    done = contract.check(service.port, examples=20, seed=3)
    assert done.returncode == 0, done.stdout[-4000:]
    assert not [line for line in service.lines if line.get("status") == 500]


def test_callers_who_leave_the_queue_are_never_run(bundle: Path) -> None:
    with hangups.held(bundle) as (service, folder):
        outcome = asyncio.run(hangups.hang_up_in_waves(service, folder, 300))
    assert outcome.admitted >= 300
    # One is in the engine, and a batch of two is prepared, when everybody leaves.
    assert outcome.run <= 3
    assert outcome.cancelled == outcome.admitted - outcome.run
    assert outcome.status == 200


@pytest.mark.parametrize("seed", [0, 1])
def test_stopped_under_load(bundle: Path, seed: int) -> None:
    outcome = sigterm.stop(bundle, seed)
    assert outcome.lost == 0
    assert outcome.code == 0
    assert outcome.answered[200] > 0
    assert outcome.answered.keys() <= {200, 429, 503}


def test_slope_is_that_of_the_line() -> None:
    found = [(number, 5_000_000 + 200 * number) for number in range(0, 20_000, 500)]
    assert leak.slope(found) == pytest.approx(2.0)


def test_promises() -> None:
    assert Figure("at most", 2.0, 2.0).holds
    assert not Figure("at most", 2.1, 2.0).holds
    assert Figure("at least", 2.0, 2.0, least=True).holds
    assert not Figure("at least", 1.9, 2.0, least=True).holds
    assert Figure("only told", 1e9).holds
