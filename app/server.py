"""The process: checks, binds, listens, loads, serves, and stops without losing what it accepted."""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from app.api.context import Context
from app.api.identity import identity_headers
from app.api.security import HEADERS
from app.http.date import DatedState
from app.http.limits import Config, Limits
from app.http.pause import Pause
from app.http.protocol import Protocol
from app.http.refusals import Refusals
from app.inference import StartError
from app.main import create_app
from app.memory import keep_memory_flat
from app.settings import PREFIX, Settings, SettingsError, unknown_variables
from app.signals import Stop
from app.telemetry import logs
from app.telemetry.middleware import log_request
from app.telemetry.stderr import silence_libraries

_BACKLOG: Final = 2048
_LAST_BYTES_S: Final = 2
_CUT_S: Final = 0.5
_POLL_S: Final = 0.02
_HANDLER_S: Final = 1.0

_log = logging.getLogger("polypseg.server")


class Server(uvicorn.Server):
    """Uvicorn's server with our way of stopping.

    Attributes:
        failure: Why the service had to end by itself, in one line; None if it was told to stop.
        unanswered: Accepted requests that the grace period was too short for.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config)
        self.server_state = DatedState()
        self._limited = config
        self._settings = context.settings
        self._predictor = context.predictor
        self._told = asyncio.Event()
        self._is_told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: str | None = None
        self.unanswered = 0

    def ask_to_stop(self) -> None:
        """Begin to stop, or stop as soon as started; meant for a signal handler."""
        self._is_told = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `Stop`: uvicorn would die of them once it is done."""
        yield

    async def main_loop(self) -> None:
        """Serve until told to stop, or until there is no engine and there will be none."""
        self._loop = asyncio.get_running_loop()
        if self._is_told:
            self._told.set()
        told = asyncio.create_task(self._told.wait())
        failed = asyncio.create_task(self._predictor.wait_failed())
        await asyncio.wait((told, failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            self.failure = failed.result()
        else:
            await self._retire()
        for task in (told, failed):
            task.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, answer what was accepted, then close the rest."""
        for server in self.servers:
            server.close()
        grace_s = self._settings.grace_s if self.failure is None else _LAST_BYTES_S
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        self.unanswered = await self._predictor.drain(grace_s)
        if self.unanswered:
            await self._predictor.close()  # whoever still waits is told
        self.unanswered += await self._flush(until)
        # Callers who go on sending are cut off before uvicorn counts them as its own failure.
        loop.call_later(_LAST_BYTES_S - _CUT_S, self._cut_off)
        await super().shutdown(sockets)
        _log.info("stopped", extra={"fields": {"unanswered": self.unanswered}})

    async def _flush(self, until: float) -> int:
        """Wait until every answer has gone out; return how many have not when the time is up."""
        loop = asyncio.get_running_loop()
        while unsent := sum(bool(one.unsent) for one in self._connections):
            if loop.time() >= until:
                return unsent
            await asyncio.sleep(_POLL_S)  # no event tells of the last byte
        return 0

    def _cut_off(self) -> None:
        for connection in self._connections:
            connection.transport.abort()

    @property
    def _connections(self) -> list[Protocol]:
        return [one for one in self.server_state.connections if isinstance(one, Protocol)]

    async def _retire(self) -> None:
        """Let those who balance the load see that this one is going."""
        self._limited.last_answers = True
        for connection in self._connections:
            connection.retire()
        was_ready = self._predictor.health.ready
        self._predictor.retire()
        _log.info("stopping", extra={"fields": {"drain_delay_s": self._settings.drain_delay_s}})
        # Nobody sends work to a service that was never ready.
        if was_ready:
            await asyncio.sleep(self._settings.drain_delay_s)


def serve(settings: Settings, stop: Stop) -> int:
    """Run the service until it is told to stop.

    Args:
        settings: The settings.
        stop: What handles the signals.

    Returns:
        The exit code: 0 if everything that was accepted was answered.

    Raises:
        SettingsError: The address cannot be had.
        BundleError: The bundle is not there, damaged, or does not fit.
        SelectionError: The engine or the device that is asked for cannot be had.
        StartError: The model could not be brought up, or the engine was lost for good.
    """
    keep_memory_flat()
    raise_file_limit()
    silence_libraries()
    logs.configure(settings.log_level)
    app = create_app(settings)
    listener = bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    _log.info(
        "listening", extra={"fields": {"host": host, "port": port, "keys": len(settings.keys)}}
    )
    for name, similar in unknown_variables(os.environ).items():
        _log.warning("unknown setting", extra={"fields": {"variable": name, "similar": similar}})
    context: Context = app.state.context
    server = Server(configuration(app, settings), context)
    stop.listen(server.ask_to_stop)
    server.run([listener])
    if server.failure is not None:
        raise StartError(server.failure)
    return 1 if server.unanswered else 0


def configuration(app: FastAPI, settings: Settings) -> Config:
    """Return uvicorn's configuration with our protocol and its limits."""
    context: Context = app.state.context
    config = Config(
        app,
        interface="asgi3",
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_LAST_BYTES_S,
    )
    config.limits = Limits(
        header_bytes=settings.max_header_bytes,
        header_s=settings.header_timeout_s,
        body_s=settings.body_timeout_s + _HANDLER_S,
        silent_s=settings.idle_timeout_s,
    )
    config.gate = context.gate
    config.unread = context.bodies.unread
    config.pause = Pause()
    config.refusals = Refusals(
        HEADERS | identity_headers(context.bundle), (log_request, context.metrics.observe)
    )
    return config


def bind(host: str, port: int) -> socket.socket:
    """Bind and listen.

    Args:
        host: Name or address of an interface.
        port: Port; 0 lets the system pick one.

    Raises:
        SettingsError: The address cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(f"{PREFIX}HOST has value '{host}': {error.strerror}.") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Linux lets two sockets bind as long as neither listens.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        # Taken, or only for root; everything else is about the address.
        what = "port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "host"
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {error.strerror}; "
            f"choose another {what} with --{what} or {PREFIX}{what.upper()}."
        ) from error
    return listener


def raise_file_limit() -> None:
    """Allow as many connections as the system lets us, instead of the usual 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
