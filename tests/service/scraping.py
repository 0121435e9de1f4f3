"""Reads `/metrics` of a real service with prometheus_client's own parser."""

from collections.abc import Mapping

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.service.conftest import Service

Series = tuple[str, frozenset[tuple[str, str]]]


class Scrape:
    """The answer of one scrape.

    Attributes:
        text: The answer.
        families: The metrics by name, as Prometheus has them: counters end in `_total`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {}
        self._values: dict[Series, float] = {}
        for family in text_string_to_metric_families(text):
            name = family.name + "_total" * (family.type == "counter")
            assert name not in self.families
            self.families[name] = family
            for sample in family.samples:
                series = (sample.name, frozenset(sample.labels.items()))
                assert series not in self._values
                self._values[series] = sample.value

    def value(self, name: str, /, **labels: str) -> float:
        """Return the value of a series, 0 if it does not exist."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def by(self, label: str, name: str) -> Mapping[str, float]:
        """Return the values of the series with only one label, by that label."""
        return {
            sample.labels[label]: sample.value
            for sample in self.families[name].samples
            if set(sample.labels) == {label}
        }

    @property
    def labels(self) -> dict[str, set[str]]:
        """Names of the labels, by name of the metric; those of the format itself are left out."""
        return {
            name: {label for sample in family.samples for label in sample.labels} - {"le"}
            for name, family in self.families.items()
        }


def scrape(service: Service) -> Scrape:
    """Scrape a service."""
    answer = service.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scrape(answer.text)
