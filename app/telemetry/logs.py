"""Logs as JSON lines, which never hold a byte of a request body."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from app.frames import causes, describe_frames
from app.telemetry.writer import Writer

_OURS: Final = "polypseg"
# All other libraries are silent: Pillow, for one, logs the EXIF fields that it reads.
_LIBRARIES: Final = frozenset({"uvicorn", "asyncio"})
_ENCODER: Final = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object a line.

    The keys are ``time`` (UTC, ISO 8601), ``level``, ``logger``, ``event``, then whatever the
    caller passed as ``extra={"fields": {...}}``, then ``error`` where there is an exception. Fields
    that do not change any more may be passed as a function that returns them: it is called where
    the line is written.

    An exception is written as its class and its stack. Its message is left out, since libraries
    quote their input there, and that input may be an image of a patient.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if _root(record) != _OURS:
            # asyncio's next lines show objects, and exceptions with their messages.
            line["event"], *_ = line["event"].splitlines()
        fields = getattr(record, "fields", {})
        line |= fields() if callable(fields) else fields
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = [_describe(error) for error in causes(record.exc_info[1])]
        return _ENCODER.encode(line)


def configure(level: str = "info", stream: TextIO | None = None) -> logging.Handler:
    """Send our log lines, and the warnings of the server's libraries, through `JsonFormatter`.

    Args:
        level: Least severe level of our lines that is written.
        stream: Where to; standard output if not given.

    Returns:
        What writes the lines; flush it before the process ends.
    """
    handler = Writer(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(lambda record: _root(record) == _OURS or _root(record) in _LIBRARIES)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # Our lines name no thread, process, task or line of code: looking them up took a third of a
    # line's time. The documentation of `logging` says how to do without, under "Optimization".
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False
    return handler


def _root(record: logging.LogRecord) -> str:
    return record.name.partition(".")[0]


def _describe(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    return {"type": f"{kind.__module__}.{kind.__qualname__}", "at": describe_frames(error)}
