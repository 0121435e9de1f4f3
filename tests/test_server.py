"""The process from within: binding, being told early, failing. tests/service has the rest."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.inference import BundleError, Predictor, load_bundle
from app.inference.loading import Loaded
from app.main import create_app
from app.server import Server, bind, configuration
from app.settings import Settings, SettingsError
from tests.bundles import write_tiny_bundle


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    write_tiny_bundle(tmp_path / "tiny")
    yield Settings(model=tmp_path / "tiny")
    # A model that is still loading when the interpreter ends would abort it.
    for thread in threading.enumerate():
        if thread.name.startswith("load"):
            thread.join()


def test_bound_sockets_listen() -> None:
    with bind("127.0.0.1", 0) as listener:
        socket.create_connection(listener.getsockname()).close()
        host, port = listener.getsockname()
        with pytest.raises(SettingsError, match=f"^Cannot listen on {host} port {port}: .*--port"):
            bind(host, port)


def test_names_and_both_families() -> None:
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] in {"127.0.0.1", "::1"}
    with pytest.raises(SettingsError, match=r"^POLYPSEG_HOST has value 'no host': "):
        bind("no host", 0)
    # Reserved for documentation (RFC 5737): no machine has it.
    with pytest.raises(
        SettingsError, match=r"^Cannot listen on 192\.0\.2\.1 .*--host or POLYPSEG_"
    ):
        bind("192.0.2.1", 0)


def test_told_to_stop_before_it_runs(settings: Settings) -> None:
    app = create_app(settings)
    server = Server(configuration(app, settings), app.state.context)
    server.ask_to_stop()
    server.run([bind("127.0.0.1", 0)])
    assert server.failure is None
    assert server.unanswered == 0


def test_a_model_that_cannot_be_loaded_ends_it(settings: Settings) -> None:
    def fail(*_: object) -> Loaded:
        raise BundleError("Bundle 'x' does not fit.")

    app = create_app(settings, Predictor(load_bundle(settings.model), load=fail))
    server = Server(configuration(app, settings), app.state.context)
    server.run([bind("127.0.0.1", 0)])
    assert server.failure == "Bundle 'x' does not fit."


def test_limits_are_those_of_the_settings(settings: Settings) -> None:
    config = configuration(create_app(settings), settings)
    assert config.limits.header_bytes == settings.max_header_bytes
    assert config.limits.header_s == settings.header_timeout_s
    assert config.limits.silent_s == settings.idle_timeout_s
    # Handlers must be able to answer 408 before the connection is closed.
    assert config.limits.body_s > settings.body_timeout_s
