"""What the predictor knows already, read when Prometheus asks instead of being counted twice."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, get_args

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from app.inference import Predictor, State
from app.inference.tally import Drop

_BATCH_SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Readings:
    """A collector of prometheus_client.

    Args:
        predictor: What is read.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as of now."""
        health, tally = self._predictor.health, self._predictor.tally
        yield GaugeMetricFamily(
            "polypseg_queue_depth",
            "Requests that are admitted and not yet answered.",
            health.queue_depth,
        )
        yield GaugeMetricFamily(
            "polypseg_queue_limit",
            "Requests that are admitted at most; 0 until an engine is loaded.",
            health.queue_limit,
        )
        yield GaugeMetricFamily(
            "polypseg_batch_limit",
            "Most images in one run; 0 while there is no engine.",
            health.batch_limit or 0,
        )
        yield _labelled(
            GaugeMetricFamily(
                "polypseg_engine_state",
                "1 for the state that the service is in, 0 for the others.",
                labels=("state",),
            ),
            {state.value: state is health.state for state in State},
        )
        yield _labelled(
            CounterMetricFamily(
                "polypseg_dropped",
                "Requests that got no prediction though nothing was wrong with them.",
                labels=("reason",),
            ),
            {reason: tally.dropped[reason] for reason in get_args(Drop)},
        )
        yield CounterMetricFamily(
            "polypseg_retried",
            "Images that ran once more, alone, because their batch failed.",
            tally.retried,
        )
        yield CounterMetricFamily(
            "polypseg_out_of_memory",
            "Batches that did not fit into memory.",
            tally.out_of_memory,
        )
        yield CounterMetricFamily(
            "polypseg_engines_lost", "Engines that hung or died.", tally.engines_lost
        )
        yield batch_sizes(tally.batches)
        yield InfoMetricFamily(
            "polypseg_model",
            "The model that is served.",
            {
                "name": health.model_name,
                "version": health.model_version,
                "sha256": health.model_sha256,
            },
        )


def _labelled(
    family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]
) -> Metric:
    for label, value in values.items():
        family.add_metric((label,), value)
    return family


def batch_sizes(batches: Counter[int]) -> Metric:
    """Return the number of batches by size as a histogram.

    Args:
        batches: Batches that ran, by number of members.
    """
    counts = [
        (str(limit), float(sum(n for size, n in batches.items() if size <= limit)))
        for limit in _BATCH_SIZES
    ]
    return HistogramMetricFamily(
        "polypseg_batch_size",
        "Images in a batch that ran, without padding.",
        buckets=[*counts, ("+Inf", float(batches.total()))],
        sum_value=sum(size * n for size, n in batches.items()),
    )
