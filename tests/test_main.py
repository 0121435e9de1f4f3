"""The application for development: `uvicorn app.main:app`."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace

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


async def test_no_request_is_traced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Provider(trace.TracerProvider):
        asked = False

        def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
            self.asked = True
            return trace.NoOpTracer()

    provider = Provider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    write_tiny_bundle(tmp_path / "tiny")
    settings = Settings(model=tmp_path / "tiny")
    for application, traced in ((FastAPI(), True), (create_app(settings), False)):
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            await client.get("/health/live?name=a-patient")
        assert provider.asked is traced
        provider.asked = False


def test_there_is_nothing_else_to_make() -> None:
    with pytest.raises(AttributeError, match="no attribute 'application'"):
        _ = app.main.application
