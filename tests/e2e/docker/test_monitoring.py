"""Prometheus sees every replica, its alerts fire, and the dashboard asks for what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.docker.load import Load
from tests.e2e.docker.project import (
    PROMETHEUS,
    NewProject,
    Note,
    Project,
    docker,
    inspect,
    memory,
    run_once,
    wait_until,
)

pytestmark = pytest.mark.docker

DEPLOY = Path(__file__).parents[3] / "deploy"

# Grafana replaces these before it asks.
VARIABLES = {"$__rate_interval": "1m"}


@pytest.fixture(scope="module")
def watched(projects: NewProject, prometheus_image: str) -> Project:
    """Two replicas and Prometheus; Grafana comes from a registry, and is not started."""
    assert inspect(prometheus_image)
    project = projects("monitoring", "monitoring", DEPLOY_REPLICAS="2", DEPLOY_PROMETHEUS_PORT="0")
    project.up("polypseg", "prometheus")
    return project


@pytest.fixture(scope="module")
def prometheus(watched: Project) -> Iterator[httpx.Client]:
    """A client of Prometheus' interface for programs."""
    address = watched.address("prometheus", 9090)
    with httpx.Client(base_url=f"http://{address}/api/v1", timeout=30) as client:
        yield client


def query(prometheus: httpx.Client, expression: str) -> list[dict[str, Any]]:
    """Return the series that an expression gives now."""
    answer = prometheus.get("/query", params={"query": expression}).json()
    assert answer["status"] == "success", (expression, answer)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def firing(prometheus: httpx.Client) -> set[str]:
    """Return the names of the alerts that fire."""
    alerts = prometheus.get("/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def test_scrapes_every_replica(prometheus: httpx.Client) -> None:
    wait_until(lambda: len(query(prometheus, 'up{job="polypseg"} == 1')) == 2)
    targets = prometheus.get("/targets").json()["data"]["activeTargets"]
    assert {t["health"] for t in targets if t["labels"]["job"] == "polypseg"} == {"up"}


def test_every_query_of_the_dashboard_gives_something(
    watched: Project, prometheus: httpx.Client, picture: bytes, note: Note
) -> None:
    """The queries run as Grafana would send them, after predictions were asked of both replicas."""
    wait_until(lambda: len(query(prometheus, 'polypseg_engine_state{state="ready"} == 1')) == 2)
    seen = 'count(increase(polypseg_requests_total{route="/predict", status="200"}[1m]) > 0)'
    loads = [
        Load(watched.address(replica=replica), picture, clients=1, rate=2) for replica in (0, 1)
    ]
    with loads[0], loads[1]:
        wait_until(
            lambda: query(prometheus, seen) and query(prometheus, seen)[0]["value"][1] == "2"
        )
        expressions = dashboard_queries()
        assert len(expressions) >= 20
        silent = [e for e in expressions if not query(prometheus, e)]
    assert silent == []
    (container,) = watched.containers("prometheus")
    note("prometheus, memory with two replicas", memory(container))


def test_every_metric_of_the_rules_and_the_dashboard_is_there(prometheus: httpx.Client) -> None:
    wait_until(lambda: len(query(prometheus, 'up{job="polypseg"} == 1')) == 2)
    text = (DEPLOY / "prometheus/alerts.yml").read_text() + " ".join(dashboard_queries())
    named = set(re.findall(r"\b(?:polypseg|process)_[a-z_]+(?=[{\[\s)]|$)", text))
    assert len(named) >= 12
    for name in sorted(named):
        series = prometheus.get("/series", params={"match[]": name}).json()["data"]
        assert series, name


def test_rules_are_valid_and_do_what_they_say(watched: Project) -> None:
    assert watched
    options = ("--entrypoint", "promtool")
    checked = run_once(
        PROMETHEUS, "check", "config", "/etc/prometheus/prometheus.yml", options=options
    )
    assert re.search(r"SUCCESS: \d+ rules found", checked)
    rules = ("--volume", f"{watched.checkout}/deploy/prometheus:/rules:ro", "--workdir", "/rules")
    tested = run_once(PROMETHEUS, "test", "rules", "alerts_test.yml", options=(*options, *rules))
    assert "SUCCESS" in tested


def test_an_alert_fires_when_a_replica_is_down(watched: Project, prometheus: httpx.Client) -> None:
    wait_until(lambda: len(query(prometheus, 'up{job="polypseg"} == 1')) == 2)
    assert firing(prometheus) == set()
    docker("stop", watched.containers()[0])
    wait_until(lambda: "PolypsegReplicaMissing" in firing(prometheus))
    assert "PolypsegDown" not in firing(prometheus)
    watched.up("polypseg")
    wait_until(lambda: firing(prometheus) == set())


def dashboard_queries() -> list[str]:
    """Return every query of the dashboard, with Grafana's variables replaced."""
    dashboard = json.loads((DEPLOY / "grafana/dashboards/polypseg.json").read_text())
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found.append(expression)
    return found
