"""Logs are JSON lines, and what a library says about its input is not in them."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from app.telemetry import logs

PATIENT = "a patient's name"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_holds_the_fields_of_the_caller(stream: io.StringIO) -> None:
    logging.getLogger("polypseg.test").info("hello %s", "you", extra={"fields": {"port": 8000}})
    (line,) = lines(stream)
    moment = datetime.fromisoformat(line.pop("time"))
    assert moment.utcoffset() is not None
    assert line == {"level": "info", "logger": "polypseg.test", "event": "hello you", "port": 8000}


def test_fields_may_be_put_together_where_the_line_is_written(stream: io.StringIO) -> None:
    def fields() -> dict[str, object]:
        return {"thread": threading.current_thread().name}

    logging.getLogger("polypseg.test").info("hello", extra={"fields": fields})
    (line,) = lines(stream)
    assert line["thread"] == "log"


def test_lines_under_the_level_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("polypseg.test").debug("not this")
    logging.getLogger("polypseg.test").info("but this\nin one line")
    assert [line["event"] for line in lines(stream)] == ["but this\nin one line"]


def test_libraries_say_little(stream: io.StringIO) -> None:
    logs.configure("debug", stream)
    logging.getLogger("uvicorn.error").info("not this")
    logging.getLogger("PIL.TiffImagePlugin").debug("tag: Artist: %s", PATIENT)
    logging.getLogger("PIL.TiffImagePlugin").error("tag: Artist: %s", PATIENT)
    warnings.warn(PATIENT, stacklevel=1)
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: %s", PATIENT)
    (line,) = lines(stream)
    assert PATIENT not in stream.getvalue()
    assert line["event"] == "Task exception was never retrieved"


def test_exceptions_keep_their_stack_and_lose_their_words(stream: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError(PATIENT)

    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError(PATIENT) from error
    except RuntimeError:
        logging.getLogger("polypseg.test").exception("failed")
    (line,) = lines(stream)
    assert PATIENT not in stream.getvalue()
    outer, inner = line["error"]
    assert outer["type"] == "builtins.RuntimeError"
    assert inner["type"] == "builtins.ValueError"
    assert inner["at"][-1].startswith("tests/telemetry/test_logs.py:")
    assert inner["at"][-1].endswith(" fail")


def test_chains_that_lead_back_or_are_cut_off_end(stream: io.StringIO) -> None:
    first, second = ValueError(PATIENT), KeyError(PATIENT)
    first.__cause__, second.__cause__ = second, first
    log = logging.getLogger("polypseg.test")
    log.error("circle", exc_info=first)
    cut = ValueError(PATIENT)
    cut.__context__, cut.__suppress_context__ = KeyError(), True
    log.error("cut", exc_info=cut)
    circle, alone = lines(stream)
    assert len(circle["error"]) == 2
    assert len(alone["error"]) == 1


def test_what_is_no_json_is_written_as_text(stream: io.StringIO) -> None:
    logging.getLogger("polypseg.test").info("odd", extra={"fields": {"value": {1, 2}}})
    assert lines(stream)[0]["value"] == "{1, 2}"


def test_a_line_that_cannot_be_written_does_not_end_the_log(stream: io.StringIO) -> None:
    log = logging.getLogger("polypseg.test")
    log.info(PATIENT, extra={"fields": {(PATIENT,): 1}})
    log.info("after")
    instead, after = lines(stream)
    assert instead["event"] == "log line cannot be written"
    assert (instead["of"], instead["error"]) == ("polypseg.test", "TypeError")
    assert PATIENT not in stream.getvalue()
    assert after["event"] == "after"
