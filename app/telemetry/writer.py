"""Writes log lines from a thread of its own: nobody waits for a line, or for who reads it."""

import contextlib
import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import Final, TextIO

_PATIENCE_S: Final = 1.0
# To wake a thread for each line costs more than to write it.
_GATHER_S: Final = 0.1


class Writer(logging.Handler):
    """Formats and writes elsewhere than where it is called.

    A pipe that nobody empties would otherwise stop the event loop in the middle of a request. When
    too many lines wait, new ones are dropped, and a line says how many.

    Args:
        stream: Where to write.
        limit: How many lines may wait.
    """

    def __init__(self, stream: TextIO, limit: int = 10_000) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: SimpleQueue[str | logging.LogRecord | threading.Event] = SimpleQueue()
        self._limit = limit
        self._dropped = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line; the caller holds the handler's lock."""
        if self._waiting.qsize() >= self._limit:
            self._dropped += 1
            return
        if self._dropped:
            self._waiting.put(_told("WARNING", "log lines dropped", count=self._dropped))
            self._dropped = 0
        # Fields stay as they are. What else a line is about may change meanwhile, and the frames of
        # an exception may hold an image.
        lasts = not record.args and not record.exc_info
        self._waiting.put(record if lasts else self.format(record))

    def flush(self) -> None:
        """Wait until every line is written, though not for long."""
        written = threading.Event()
        self._waiting.put(written)
        written.wait(_PATIENCE_S)

    def _write(self) -> None:
        while True:
            self._put(self._waiting.get())
            time.sleep(_GATHER_S)
            with contextlib.suppress(Empty):
                while True:
                    self._put(self._waiting.get_nowait())

    def _put(self, item: str | logging.LogRecord | threading.Event) -> None:
        # Nobody reads any more: that is no reason to stop serving.
        with contextlib.suppress(OSError, ValueError):
            if isinstance(item, logging.LogRecord):
                item = self._line(item)
            if isinstance(item, str):
                self._stream.write(item + "\n")
            if isinstance(item, threading.Event) or self._waiting.empty():
                self._stream.flush()
        if isinstance(item, threading.Event):
            item.set()

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001 - one line must not end all others
            kind = type(error).__name__
            return self.format(
                _told("ERROR", "log line cannot be written", of=record.name, error=kind)
            )


def _told(level: str, event: str, **fields: object) -> logging.LogRecord:
    """Return a line of our own."""
    return logging.makeLogRecord(
        {"name": "polypseg.log", "levelname": level, "msg": event, "fields": fields}
    )
