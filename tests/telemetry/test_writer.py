"""Whoever reads the log slowly, or not at all, holds up nobody."""

import gc
import io
import logging
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from app.telemetry.writer import Writer


class Sleeper(io.StringIO):
    """A stream that takes nothing until it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.awake = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        """Wait, then write."""
        self.asked.set()
        self.awake.wait()
        return super().write(text)


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    sleeper = Sleeper()
    yield sleeper
    sleeper.awake.set()


def say(writer: Writer, text: str) -> None:
    writer.emit(logging.makeLogRecord({"msg": text}))


def test_lines_come_in_order() -> None:
    stream = io.StringIO()
    writer = Writer(stream)
    for number in range(100):
        say(writer, str(number))
    writer.flush()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_what_may_change_is_written_as_it_was(sleeper: Sleeper) -> None:
    writer = Writer(sleeper)
    say(writer, "first")
    sleeper.asked.wait()  # from here on, lines wait
    names = ["one"]
    writer.emit(logging.makeLogRecord({"msg": "%s", "args": (names,)}))
    names.append("two")
    sleeper.awake.set()
    writer.flush()
    assert sleeper.getvalue() == "first\n['one']\n"


def test_frames_of_an_exception_are_not_kept(sleeper: Sleeper) -> None:
    class Image:
        """What a frame may hold."""

    def fail() -> weakref.ref[Image]:
        image = Image()
        try:
            [].pop()
        except IndexError:
            writer.emit(logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()}))
        return weakref.ref(image)

    writer = Writer(sleeper)
    say(writer, "first")
    sleeper.asked.wait()
    image = fail()
    gc.collect()
    assert image() is None
    sleeper.awake.set()
    writer.flush()
    assert "IndexError" in sleeper.getvalue()


def test_lines_over_the_limit_are_dropped_and_counted(sleeper: Sleeper) -> None:
    writer = Writer(sleeper, limit=3)
    say(writer, "first")
    sleeper.asked.wait()
    for number in range(8):
        say(writer, str(number))
    sleeper.awake.set()
    writer.flush()
    assert sleeper.getvalue() == "first\n0\n1\n2\n"
    say(writer, "last")
    writer.flush()
    assert sleeper.getvalue().endswith("2\nlog lines dropped\nlast\n")
    say(writer, "more")
    writer.flush()
    assert sleeper.getvalue().endswith("last\nmore\n")


def test_what_is_flushed_has_left_the_process() -> None:
    class Buffered(io.StringIO):
        left = ""

        def flush(self) -> None:
            self.left = self.getvalue()

    stream = Buffered()
    writer = Writer(stream)
    for number in range(3):
        say(writer, str(number))
        writer.flush()
        say(writer, "more")  # while the writer gathers
        writer.flush()
        assert stream.left.count("\n") == 2 * (number + 1)


def test_flush_does_not_wait_for_ever(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.telemetry.writer._PATIENCE_S", 0.01)
    writer = Writer(sleeper, limit=1)
    say(writer, "first")
    sleeper.asked.wait()
    writer.flush()  # one waits: its place in the queue is taken by this
    writer.flush()  # no place is left
    assert sleeper.getvalue() == ""


def test_a_reader_who_is_gone() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            if text == "lost\n":
                raise BrokenPipeError
            return super().write(text)

    stream = Broken()
    writer = Writer(stream)
    say(writer, "lost")
    say(writer, "another")
    writer.flush()
    assert stream.getvalue() == "another\n"
