"""The application for development: `uvicorn app.main:app`."""

import pkgutil
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import app.main
from app.inference import BundleError
from app.main import create_app
from app.settings import Settings
from tests.bundles import write_tiny_bundle


async def test_an_application_is_made_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    monkeypatch.setenv("POLYPSEG_MODEL", str(tmp_path / "tiny"))
    application = app.main.app
    assert isinstance(application, FastAPI)
    transport = httpx.ASGITransport(application)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        assert (await client.get("/health")).json()["state"] == "starting"
        await application.state.context.predictor.wait_ready()
        assert (await client.get("/health")).json()["state"] == "ready"


def test_a_missing_bundle_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYPSEG_MODEL", str(tmp_path / "nothing"))
    with pytest.raises(BundleError):
        _ = app.main.app


@pytest.mark.parametrize(
    "getter",
    [
        "opentelemetry.trace.get_tracer_provider",
        "opentelemetry.metrics.get_meter_provider",
        "opentelemetry._logs.get_logger_provider",
    ],
)
async def test_no_collector_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, getter: str
) -> None:
    asked = []
    provider = pkgutil.resolve_name(getter)()

    def look() -> object:
        asked.append(getter)
        return provider

    monkeypatch.setattr(getter, look)
    write_tiny_bundle(tmp_path / "tiny")
    ours = create_app(Settings(model=tmp_path / "tiny"))
    for application, looks in ((FastAPI(), True), (ours, False)):
        asked.clear()
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await client.get("/health/live")
        assert bool(asked) is looks


def test_there_is_nothing_else_to_make() -> None:
    with pytest.raises(AttributeError, match="no attribute 'application'"):
        _ = app.main.application
