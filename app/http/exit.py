"""Where the bytes of answers leave a connection."""

import asyncio
from collections.abc import Callable
from typing import Final

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exit:
    """The transport as an answer sees it, which may want to be the last one.

    The head of an answer waits for its body, and both go out at once: else the caller would be
    woken for the head alone, and there would be two packets to pay for.

    Args:
        transport: What sends.
        close: Closes the connection behind its last answer.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport, self._close = transport, close
        self._head = b""
        self._head_is_out = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Take the head of an answer, or a piece of its body."""
        if self._head_is_out or data == _CONTINUE:
            self._transport.write(data)
        elif self._head:
            self._transport.writelines((self._head, data))
            self._head, self._head_is_out = b"", True
        else:
            self._head = data

    def end(self) -> None:
        """Send the head of an answer without a body; the next write is another head."""
        if self._head and not self.is_closing():
            self._transport.write(self._head)
        self._head, self._head_is_out = b"", False

    def close(self) -> None:
        """Close behind what was written."""
        self.end()
        self._close()
