"""What leaves a connection together, and when it is closed."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from app.http.exit import Exit

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Wire(asyncio.Transport):
    """Notes what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Note one piece."""
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Note pieces that go out at once."""
        self.written.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Say what the test wants."""
        return self.closing


@pytest.fixture
def wire() -> Wire:
    """Return a transport to look at."""
    return Wire()


def test_head_and_body_go_at_once_and_the_rest_as_it_comes(wire: Wire) -> None:
    way_out = Exit(wire, lambda: None)
    for piece in (b"head", b"one", b"two"):
        way_out.write(piece)
    way_out.end()
    way_out.write(b"next head")
    way_out.write(b"next body")
    assert wire.written == [b"headone", b"two", b"next headnext body"]


def test_a_head_without_a_body_goes_at_its_end(wire: Wire) -> None:
    way_out = Exit(wire, lambda: None)
    way_out.write(b"head")
    assert wire.written == []
    way_out.end()
    way_out.end()
    assert wire.written == [b"head"]


def test_continue_does_not_wait(wire: Wire) -> None:
    way_out = Exit(wire, lambda: None)
    way_out.write(CONTINUE)
    way_out.write(b"head")
    way_out.write(b"body")
    assert wire.written == [CONTINUE, b"headbody"]


def test_a_connection_is_closed_behind_what_was_written(wire: Wire) -> None:
    seen: list[list[bytes]] = []
    way_out = Exit(wire, lambda: seen.append(list(wire.written)))
    way_out.write(b"head")
    way_out.close()
    assert seen == [[b"head"]]


def test_nothing_is_written_to_who_has_gone(wire: Wire) -> None:
    way_out = Exit(wire, lambda: None)
    way_out.write(b"head")
    wire.closing = True
    way_out.end()
    assert wire.written == []
