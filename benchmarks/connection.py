"""A light HTTP client: one connection, one request at a time, microseconds of work for each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httptools


class Connection(asyncio.Protocol):
    """A kept-alive connection. Make it with `connect`.

    Attributes:
        open: Whether another request may be sent.
        headers: Headers of the last answer, names in lower case.
    """

    def __init__(self) -> None:
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser: Any = None
        self._chunks: list[bytes] = []
        self.open = False
        self.headers: dict[str, str] = {}

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; return status and body of the answer.

        Raises:
            ConnectionError: The server closed first.
        """
        if not self.open:
            raise ConnectionResetError
        self._parser = httptools.HttpResponseParser(self)
        self._chunks = []
        self.headers = {}
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def hang_up(self) -> None:
        """Close at once, whatever is under way."""
        self._transport.abort()

    # Called by the event loop

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        with contextlib.suppress(httptools.HttpParserError):
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        self.open = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), b"".join(self._chunks)))


async def connect(port: int) -> Connection:
    """Connect to 127.0.0.1."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


class Pool:
    """Connections that are kept, as a browser or a proxy keeps them; as many as are needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow one; it is closed if the block fails."""
        while self._idle and not self._idle[-1].open:
            self._idle.pop()
        connection = self._idle.pop() if self._idle else await connect(self._port)
        try:
            yield connection
        except BaseException:
            connection.hang_up()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        """Close all that are idle."""
        for connection in self._idle:
            connection.hang_up()
