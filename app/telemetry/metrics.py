"""Metrics for Prometheus: what requests leave behind, and what is read when it asks."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.process_collector import ProcessCollector

from app.inference import Predictor
from app.telemetry.readings import Readings
from app.telemetry.record import STAGES, Record

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

UNKNOWN_ROUTE: Final = "unknown"
ABORTED: Final = "aborted"

_SECONDS: Final = (
    *(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)

# To count one takes 6 microseconds where many follow each other, and 45 between two images, which
# leave nothing of this code in the caches of the core.
_AT_ONCE: Final = 100


class Metrics:
    """The metrics of one application; no two of them share anything.

    Every label value is a word of ours: a caller can make a figure grow, but never a new series.
    Used on the event loop alone.

    Args:
        predictor: What is asked for everything that it knows already.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._ended: list[Record] = []  # and not yet counted
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "polypseg_requests",
            "Requests that are over.",
            ("route", "format", "status"),
            registry=self._registry,
        )
        stages = Histogram(
            "polypseg_stage_seconds",
            "Time that a prediction spent in a stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._predictions = Histogram(
            "polypseg_prediction_seconds",
            "Time from the headers of a request to the last byte of its prediction.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(Readings(predictor))
        ProcessCollector(registry=self._registry)

    def observe(self, record: Record) -> None:
        """Take note of a request that is over; nothing of it changes any more."""
        self._ended.append(record)
        if len(self._ended) >= _AT_ONCE:
            self._count()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as of now."""
        self._count()
        for metric in self._registry.collect():
            # In this format, the moment that a series began would be a series of its own.
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric

    def render(self) -> bytes:
        """Return every metric in Prometheus' text format, whose type is `CONTENT_TYPE`."""
        return generate_latest(self)

    def _count(self) -> None:
        while self._ended:
            record = self._ended.pop()  # at first: a faulty one must fail once, and no other
            self._requests.labels(
                record.route or UNKNOWN_ROUTE, record.format or "", record.status or ABORTED
            ).inc()
            for stage, milliseconds in record.timings_ms.items():
                self._stages[stage].observe(milliseconds / 1000)
            if record.format and record.status == 200 and record.total_ms is not None:
                self._predictions.observe(record.total_ms / 1000)
