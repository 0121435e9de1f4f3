"""Each application has metrics of its own, and they agree with Prometheus' own client."""

import gc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from app.inference import Predictor, load_bundle
from app.telemetry.metrics import Metrics
from app.telemetry.readings import batch_sizes
from app.telemetry.record import Record
from tests.bundles import write_tiny_bundle

REQUESTS = "polypseg_requests_total"


@pytest.fixture(scope="module")
def bundle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    return root


@pytest.fixture
async def metrics(bundle_root: Path) -> Metrics:
    return Metrics(Predictor(load_bundle(bundle_root)))


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of the samples of a name by the values of their labels."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    }


async def test_applications_share_nothing(bundle_root: Path, metrics: Metrics) -> None:
    other = Metrics(Predictor(load_bundle(bundle_root)))
    metrics.observe(Record("id", "GET", route="/health", status=200))
    assert samples(metrics, REQUESTS) == {("", "/health", "200"): 1}
    assert samples(other, REQUESTS) == {}


async def test_requests_without_an_answer_or_a_route(metrics: Metrics) -> None:
    metrics.observe(Record("id", "POST", route="/predict", format="png", aborted=True))
    metrics.observe(Record("id", "BREW", status=404))
    assert samples(metrics, REQUESTS) == {
        ("png", "/predict", "aborted"): 1,
        ("", "unknown", "404"): 1,
    }


async def test_only_predictions_that_were_answered_are_timed(metrics: Metrics) -> None:
    for status, form in ((200, "json"), (429, "json"), (None, "json"), (200, None)):
        metrics.observe(
            Record("id", "POST", route="/predict", format=form, status=status, total_ms=3.0)
        )
    assert samples(metrics, "polypseg_prediction_seconds_sum") == {(): 0.003}
    assert samples(metrics, "polypseg_stage_seconds_count") == {
        (stage,): 0 for stage in ("decode", "queue", "infer", "encode")
    }


@pytest.mark.parametrize(
    "calls", [[0, 1], [1, 0, 1], [99, 1], [99, 2], [100, 100], [101, 99, 1], [250, 0, 50], [7] * 50]
)
async def test_whoever_asks_sees_every_request_that_is_over(
    metrics: Metrics, calls: list[int]
) -> None:
    for asked, count in enumerate(calls, start=1):
        for _ in range(count):
            metrics.observe(Record("id", "GET", route="/health", status=200))
        assert sum(samples(metrics, REQUESTS).values()) == sum(calls[:asked])


async def test_a_faulty_record_fails_once_and_costs_no_other(metrics: Metrics) -> None:
    for number in range(99):
        timings = {"no stage": 1.0} if number == 50 else {}
        metrics.observe(Record("id", "GET", route="/health", status=200, timings_ms=timings))
    with pytest.raises(KeyError):
        metrics.render()
    metrics.observe(Record("id", "GET", route="/health", status=200))
    assert samples(metrics, REQUESTS) == {("", "/health", "200"): 100}


async def test_requests_are_not_kept_until_somebody_asks(metrics: Metrics) -> None:
    for _ in range(999):
        metrics.observe(Record("kept", "GET", route="/health", status=200))
    kept = [one for one in gc.get_objects() if isinstance(one, Record) and one.request_id == "kept"]
    assert len(kept) <= 100


async def test_stages_are_timed_as_far_as_they_were_reached(metrics: Metrics) -> None:
    metrics.observe(Record("id", "POST", status=500, timings_ms={"decode": 1.5, "queue": 0.25}))
    assert samples(metrics, "polypseg_stage_seconds_sum") == {
        ("decode",): 0.0015,
        ("queue",): 0.00025,
        ("infer",): 0,
        ("encode",): 0,
    }


async def test_counts_of_the_predictor_are_read_when_asked(bundle_root: Path) -> None:
    predictor = Predictor(load_bundle(bundle_root))
    metrics = Metrics(predictor)
    predictor.tally.dropped.update(cancelled=1, expired=2, rejected=3, failed=4)
    predictor.tally.retried, predictor.tally.out_of_memory = 5, 6
    predictor.tally.engines_lost = 7
    assert samples(metrics, "polypseg_dropped_total") == {
        ("cancelled",): 1,
        ("expired",): 2,
        ("rejected",): 3,
        ("failed",): 4,
    }
    assert samples(metrics, "polypseg_retried_total") == {(): 5}
    assert samples(metrics, "polypseg_out_of_memory_total") == {(): 6}
    assert samples(metrics, "polypseg_engines_lost_total") == {(): 7}


async def test_no_series_for_the_moment_when_another_began(metrics: Metrics) -> None:
    metrics.observe(Record("id", "GET", route="/health", status=200))
    assert b"_created" not in metrics.render()


@given(st.lists(st.integers(1, 200)))
def test_batch_sizes_agree_with_a_histogram_of_the_library(sizes: list[int]) -> None:
    registry = CollectorRegistry()
    oracle = Histogram(
        "polypseg_batch_size", "", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
    )
    for size in sizes:
        oracle.observe(size)
    (expected,) = oracle.collect()
    assert {
        (sample.name, sample.labels.get("le")): sample.value
        for sample in batch_sizes(Counter(sizes)).samples
    } == {
        (sample.name, sample.labels.get("le")): sample.value
        for sample in expected.samples
        if not sample.name.endswith("_created")
    }
