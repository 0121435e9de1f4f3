"""What Prometheus is told is what happened."""

import hashlib
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from app.telemetry.record import STAGES
from tests.service.conftest import HELD, Service, Start
from tests.service.scraping import Scrape, scrape
from tests.waiting import wait_until

REQUESTS = "polypseg_requests_total"
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def post(
    threads: ThreadPoolExecutor, service: Service, image: bytes, patience_ms: int = 20_000
) -> Future[httpx.Response]:
    """Send an image on a connection of its own."""
    return threads.submit(
        httpx.post,
        service.url("/predict"),
        content=image,
        headers={"X-Request-Timeout-Ms": str(patience_ms)},
        timeout=30,
    )


def hold_runs(service: Service) -> None:
    service.forget()
    service.hold("running")


def is_admitted_or_refused(service: Service, answer: Future[httpx.Response], depth: int) -> bool:
    return answer.done() or scrape(service).value("polypseg_queue_depth") == depth


def fill(
    threads: ThreadPoolExecutor, service: Service, image: bytes, depth: int
) -> Iterator[Future[httpx.Response]]:
    """Send images one by one until one is refused, which is the last."""
    refused = False
    while not refused:
        depth += 1
        answer = post(threads, service, image)
        wait_until(partial(is_admitted_or_refused, service, answer, depth))
        refused = answer.done()
        yield answer


def state(scraped: Scrape) -> str:
    """Return the one state that is 1."""
    states = scraped.by("state", "polypseg_engine_state")
    assert set(states) == {"starting", "ready", "degraded", "draining", "failed"}
    assert sorted(states.values()) == [0, 0, 0, 0, 1]
    return max(states, key=lambda name: states[name])


def test_requests_by_route_format_and_status(service: Service, jpeg: bytes) -> None:
    before = scrape(service)
    for _ in range(3):
        assert service.post("/predict", content=jpeg).status_code == 200
    service.post("/predict", content=jpeg, headers={"Accept": "application/json"})
    service.post("/predict/overlay", content=jpeg)
    service.post("/predict/overlay", content=b"")
    service.post("/predict?threshold=2", content=jpeg)
    service.get("/predict")
    service.get("/openapi.json")
    after = scrape(service)

    def grown(route: str, form: str, status: str) -> float:
        labels = {"route": route, "format": form, "status": status}
        return after.value(REQUESTS, **labels) - before.value(REQUESTS, **labels)

    assert grown("/predict", "png", "200") == 3
    assert grown("/predict", "json", "200") == 1
    assert grown("/predict/overlay", "overlay", "200") == 1
    assert grown("/predict/overlay", "overlay", "400") == 1
    assert grown("/predict", "", "422") == 1
    assert grown("/predict", "", "405") == 1
    assert grown("/openapi.json", "", "200") == 1
    assert grown("/metrics", "", "200") == 1  # the scrape before


def test_callers_cannot_make_series(service: Service, jpeg: bytes) -> None:
    answers = [
        service.get("/mallory/1"),
        service.get("/mallory/2?mallory=3"),
        service.post("/predict/mallory", content=jpeg),
        service.client.request("PROPFIND", service.url("/predict")),
        service.post("/predict?format=mallory", content=jpeg),
        service.post("/predict?mallory=1", content=jpeg),
        service.post("/predict", content=jpeg, headers={"Accept": "text/mallory"}),
        service.post("/predict", files={"file": ("mallory.jpg", jpeg, "image/mallory")}),
        service.get("/health/live", headers={"X-Request-Id": "mallory", "Host": "mallory"}),
    ]
    assert [answer.status_code for answer in answers] == [
        *(404, 404, 404, 405, 422, 422, 406, 200, 200)
    ]
    scraped = scrape(service)
    assert "mallory" not in scraped.text.lower()
    routes = {sample.labels["route"] for sample in scraped.families[REQUESTS].samples}
    described = set(service.get("/openapi.json").json()["paths"])
    assert routes <= described | {"unknown", "/", "/docs", "/openapi.json"}
    assert scraped.value(REQUESTS, route="unknown", format="", status="404") >= 3


def test_refusals_before_there_is_a_request(start: Start) -> None:
    service = start(max_header_bytes=1000).wait_ready()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nX: " + b"x" * 2000)
        assert connection.recv(12) == b"HTTP/1.1 431"
    assert scrape(service).value(REQUESTS, route="unknown", format="", status="431") == 1


def test_stages_are_those_of_server_timing(service: Service, jpeg: bytes) -> None:
    before = scrape(service)
    timing = service.post("/predict", content=jpeg).headers["Server-Timing"]
    service.post("/predict", content=b"no image")
    service.get("/health")
    after = scrape(service)

    told = {stage: float(ms) for stage, ms in re.findall(r"(\w+);dur=([\d.]+)", timing)}
    for stage in STAGES:
        name = "polypseg_stage_seconds"
        count = after.value(f"{name}_count", stage=stage) - before.value(
            f"{name}_count", stage=stage
        )
        total = after.value(f"{name}_sum", stage=stage) - before.value(f"{name}_sum", stage=stage)
        assert count == 1
        assert total * 1000 == pytest.approx(told[stage], abs=0.006)
    name = "polypseg_prediction_seconds"
    total = after.value(f"{name}_sum") - before.value(f"{name}_sum")
    assert after.value(f"{name}_count") - before.value(f"{name}_count") == 1
    assert total * 1000 >= told["total"]


def test_buckets_reach_from_a_fifth_of_a_millisecond_to_ten_seconds(service: Service) -> None:
    scraped = scrape(service)
    for name in ("polypseg_stage_seconds", "polypseg_prediction_seconds"):
        limits = [
            float(sample.labels["le"])
            for sample in scraped.families[name].samples
            if sample.name.endswith("_bucket") and sample.labels.get("stage") in (None, "decode")
        ]
        assert limits == sorted(limits)
        assert limits[0] == 0.0002
        assert limits[-2:] == [10.0, float("inf")]
        assert all(high / low <= 2.5 for low, high in pairwise(limits[:-1]))


def test_states_of_a_life(start: Start, threads: ThreadPoolExecutor, jpeg: bytes) -> None:
    service = start(HELD, holds=("loading",), drain_delay_s=20).wait_listening()
    scraped = scrape(service)
    assert state(scraped) == "starting"
    assert scraped.value("polypseg_queue_limit") == 0
    assert scraped.value("polypseg_batch_limit") == 0
    service.release("loading")
    service.wait_ready()
    scraped = scrape(service)
    assert state(scraped) == "ready"
    assert scraped.value("polypseg_queue_limit") >= 4
    assert scraped.value("polypseg_batch_limit") == 2
    assert scraped.value("polypseg_queue_depth") == 0

    hold_runs(service)
    answers = [post(threads, service, jpeg) for _ in range(3)]
    wait_until(lambda: scrape(service).value("polypseg_queue_depth") == 3)
    service.kill()
    service.wait_log(event="stopping")
    # Told to stop, a service closes each connection after its answer.
    assert state(Scrape(httpx.get(service.url("/metrics")).text)) == "draining"
    service.release("running")
    assert [answer.result().status_code for answer in answers] == [200] * 3


def test_batches(start: Start, threads: ThreadPoolExecutor, jpeg: bytes) -> None:
    service = start(HELD).wait_ready()
    hold_runs(service)
    before = scrape(service)
    answers = [post(threads, service, jpeg)]
    wait_until(lambda: service.runs == 1)
    answers += [post(threads, service, jpeg) for _ in range(2)]
    wait_until(lambda: scrape(service).value("polypseg_queue_depth") == 3)
    service.release("running")
    assert [answer.result().status_code for answer in answers] == [200] * 3
    # The two may have come together or one after the other, and a probe may have run.
    after = scrape(service)
    runs = after.value("polypseg_batch_size_count") - before.value("polypseg_batch_size_count")
    images = after.value("polypseg_batch_size_sum") - before.value("polypseg_batch_size_sum")
    lone = after.value("polypseg_batch_size_bucket", le="1.0") - before.value(
        "polypseg_batch_size_bucket", le="1.0"
    )
    assert images == service.runs
    assert images == lone + 2 * (runs - lone)


def test_dropped_and_aborted(start: Start, threads: ThreadPoolExecutor, jpeg: bytes) -> None:
    service = start(HELD, deadline_ms=1).wait_ready()  # so that few may wait
    assert scrape(service).by("reason", "polypseg_dropped_total") == dict.fromkeys(
        ("cancelled", "expired", "rejected", "failed"), 0
    )
    hold_runs(service)
    answers = [post(threads, service, jpeg)]
    wait_until(lambda: service.runs == 1)
    with socket.create_connection(("127.0.0.1", service.port)) as leaving:
        leaving.sendall(
            HEAD.replace(b"Host", b"X-Request-Timeout-Ms: 20000\r\nHost") % len(jpeg) + jpeg
        )
        wait_until(lambda: scrape(service).value("polypseg_queue_depth") == 2)
    wait_until(lambda: scrape(service).value("polypseg_queue_depth") == 1)
    answers += fill(threads, service, jpeg, depth=1)
    refused = answers.pop().result()
    assert refused.status_code == 429
    # No layer of the application has seen it, and nothing is missing; `Vary` is for caches, and
    # what must not be stored needs none.
    other = service.get("/predict")
    usual = set(other.headers) - {"allow", "vary"}
    assert usual | {"retry-after"} <= set(refused.headers)
    ids = (answer.headers["X-Request-Id"] for answer in (other, refused))
    assert len({frozenset(service.wait_log(request_id=name)) for name in ids}) == 1
    service.release("running")
    assert {answer.result().status_code for answer in answers} == {200}

    service.hold("failing")
    assert post(threads, service, jpeg).result().status_code == 500
    service.release("failing")
    scraped = scrape(service)
    dropped = scraped.by("reason", "polypseg_dropped_total")
    assert dropped["rejected"] == scraped.value(REQUESTS, route="/predict", format="", status="429")
    assert dropped["failed"] >= 1  # a probe may have failed, too
    assert dropped["cancelled"] <= 1  # it may have left while its image was decoded
    assert scraped.value(REQUESTS, route="/predict", format="png", status="aborted") == 1


def test_model(service: Service, bundle_root: Path) -> None:
    digest = hashlib.sha256((bundle_root / "1" / "manifest.json").read_bytes()).hexdigest()
    scraped = scrape(service)
    assert scraped.value("polypseg_model_info", name="tiny", version="1", sha256=digest) == 1
    assert len(scraped.families["polypseg_model_info"].samples) == 1


def test_process(service: Service) -> None:
    scraped = scrape(service)
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (resident,) = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert scraped.value("process_resident_memory_bytes") == pytest.approx(
        int(resident) * 1024, rel=0.2
    )
    assert scraped.value("process_cpu_seconds_total") > 0
    assert scraped.value("process_open_fds") > 3


def test_no_key_is_needed(start: Start) -> None:
    service = start(api_keys=hashlib.sha256(b"key").hexdigest()).wait_ready()
    assert service.get("/model").status_code == 401
    assert scrape(service).value(REQUESTS, route="/model", format="", status="401") == 1


def test_each_replica_counts_for_itself(start: Start, jpeg: bytes) -> None:
    replicas = [start(), start()]
    for asked, replica in enumerate(replicas, 1):
        replica.wait_ready()
        for _ in range(asked):
            assert replica.post("/predict", content=jpeg).status_code == 200
    labels = {"route": "/predict", "format": "png", "status": "200"}
    assert [scrape(replica).value(REQUESTS, **labels) for replica in replicas] == [1, 2]
    processes = {scrape(replica).value("process_start_time_seconds") for replica in replicas}
    assert len(processes) == 2
