"""Requests one after another from many threads, each answer accounted for."""

import http.client
import ssl
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

_PATIENCE_S = 30


@dataclass
class Answer:
    """What became of one request.

    Attributes:
        request_id: The id that the request was sent with.
        status: HTTP status, or None if there was no full answer.
        began: When it was sent, on the clock of `time.monotonic`.
        error: Why there was no answer.
    """

    request_id: str
    status: int | None
    began: float
    error: str = ""


@dataclass
class Load:
    """Predictions asked of one address until told to stop; a context manager.

    Args:
        address: Host and port.
        image: The body of every request.
        clients: Threads, each with a connection for every request.
        rate: Requests a second, sent whether or not those before are answered; None means that
            each client sends as soon as it has its answer.
        tls: What to trust; None means plain HTTP.
        path: Path of the request.
    """

    address: str
    image: bytes
    clients: int = 4
    rate: float | None = None
    tls: ssl.SSLContext | None = None
    path: str = "/predict"
    answers: list[Answer] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for client in range(self.clients):
            thread = threading.Thread(target=self._ask_on, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE_S)

    @property
    def statuses(self) -> Counter[int | None]:
        """How often each status was answered."""
        return Counter(answer.status for answer in self.answers)

    @property
    def throughput(self) -> float:
        """Good answers a second, so far."""
        return self.statuses[200] / (time.monotonic() - self._began)

    def wait_for(self, answers: int) -> None:
        """Block until so many good answers more are there."""
        wanted = self.statuses[200] + answers
        end = time.monotonic() + 2 * _PATIENCE_S
        while self.statuses[200] < wanted:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.statuses} after {2 * _PATIENCE_S} s")
            time.sleep(0.01)

    def _ask_on(self, client: int) -> None:
        turn = 0
        while not self._over.is_set():
            if self.rate is not None:
                due = self._began + (turn * self.clients + client) / self.rate
                if self._over.wait(max(0.0, due - time.monotonic())):
                    return
            self.answers.append(self._ask())
            turn += 1

    def _ask(self) -> Answer:
        request_id = uuid.uuid4().hex
        began = time.monotonic()
        connection = connect(self.address, self.tls)
        try:
            headers = {
                "Content-Type": "image/jpeg",
                "Connection": "close",
                "X-Request-Id": request_id,
            }
            connection.request("POST", self.path, self.image, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(request_id, None, began, repr(error))
        finally:
            connection.close()
        return Answer(request_id, answer.status, began)


def connect(address: str, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """Return a connection to an address, not opened yet."""
    if tls is None:
        return http.client.HTTPConnection(address, timeout=_PATIENCE_S)
    return http.client.HTTPSConnection(address, timeout=_PATIENCE_S, context=tls)
