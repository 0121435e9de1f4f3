"""The compose file, `.env.example` and the settings of the service say the same."""

import re
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = re.sub(r"(?m)^#.*$", "", (ROOT / "docker-compose.yml").read_text())
EXAMPLE = (ROOT / ".env.example").read_text()

# These say where the machine listens; inside, the service listens everywhere, on one port.
OUTSIDE = {"POLYPSEG_HOST", "POLYPSEG_PORT"}


def variables() -> dict[str, str]:
    """Return what the compose file takes from `.env`, with the values that hold without it."""
    found = re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE)
    passed = re.findall(r"^ +([A-Z_]+):$", COMPOSE, re.MULTILINE)
    return dict.fromkeys(passed, "") | dict(found)


def example() -> dict[str, str]:
    """Return every variable of `.env.example`, all of which are commented out."""
    assert not re.search(r"^[^#\n]", EXAMPLE, re.MULTILINE)
    found = re.findall(r"^# ([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    assert len(found) == len(dict(found))
    return dict(found)


def test_every_setting_can_be_given() -> None:
    settings = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    passed = set(re.findall(r"^    (POLYPSEG_[A-Z_]+):", COMPOSE, re.MULTILINE))
    assert passed == settings - OUTSIDE
    assert variables().keys() >= OUTSIDE


def test_the_example_has_every_variable_and_no_other() -> None:
    assert example().keys() == variables().keys() | {"COMPOSE_PROFILES"}


def test_the_example_shows_the_values_of_the_compose_file() -> None:
    shown = example()
    for name, value in variables().items():
        if name not in SERVICE:
            assert shown[name] == value, name


SERVICE = {f"{PREFIX}{name}".upper(): name for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(SERVICE.keys() & example().keys()))
def test_the_example_shows_the_values_of_the_service(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = SERVICE[name]
    value = example()[name]
    monkeypatch.setenv(name, value)
    default = Settings.model_fields[field].default
    assert getattr(Settings(), field) == default
    assert bool(value) == (default not in (None, (), frozenset()))


def test_the_proxy_has_the_limits_of_the_service() -> None:
    limits = re.findall(r"^      [A-Z_]+: \$\{(POLYPSEG_\w+):-(\d+)\}$", COMPOSE, re.MULTILINE)
    assert len(limits) == 6
    for name, value in limits:
        assert float(value) == Settings.model_fields[SERVICE[name]].default


def test_a_stop_waits_longer_than_the_service_takes() -> None:
    settings = Settings()
    grace = int(variables()["DEPLOY_STOP_GRACE"].removesuffix("s"))
    assert grace > settings.drain_delay_s + settings.grace_s
