"""What `/predict` adds to decode, infer and encode of a lone request: at most 2 ms.

Usage: python -m benchmarks.fire.added [--requests 300]

The caller waits in a system call, and his clock stops with the last byte: an event loop of his own
would take up to half a millisecond more to send a large body, and that is not the service's.
"""

import re
import socket
import statistics
import time

from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve
from benchmarks.pictures import SIZES, scenes

_STAGES = (b"decode", b"infer", b"encode")
_PIECE_BYTES = 65536
_PATIENCE_S = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_TIMING = re.compile(rb"\r\nserver-timing: ([^\r]+)\r\n")


def ask(connection: socket.socket, request: bytes) -> tuple[float, bytes]:
    """Send a request; return the seconds until the last byte of the answer, and the answer.

    Raises:
        ConnectionError: The service closed first.
    """
    answer = b""
    began = time.perf_counter()
    connection.sendall(request)
    while not _is_whole(answer):
        piece = connection.recv(_PIECE_BYTES)
        ended = time.perf_counter()
        if not piece:
            raise ConnectionResetError("The service closed the connection.")
        answer += piece
    return ended - began, answer


def added_ms(service: Service, size: str, requests: int) -> list[float]:
    """Ask one after another; return what is left of each time that the caller saw."""
    bodies = [service.target().request(picture) for picture in scenes(size)]
    found = []
    with socket.create_connection(("127.0.0.1", service.port), _PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as curl does
        for number in range(requests):
            seconds, answer = ask(connection, bodies[number % len(bodies)])
            assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]
            found.append(1000 * seconds - stages_ms(answer))
    return found[requests // 10 :]


def stages_ms(answer: bytes) -> float:
    """Return the milliseconds of decode, infer and encode, as the answer says."""
    timing = _TIMING.search(answer)
    assert timing is not None
    stages = dict(entry.split(b";dur=") for entry in timing[1].split(b", "))
    return sum(float(stages[stage]) for stage in _STAGES)


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    return bool(blank) and length is not None and len(body) >= int(length[1])


def main() -> None:
    """Measure."""
    given = options(__doc__, requests=300)
    with serve(given.bundle) as service:
        figures = [
            Figure(f"median added to {size}", statistics.median(found), 2.0, "ms")
            for size in SIZES
            for found in [added_ms(service, size, given.requests)]
        ]
    conclude(figures)


if __name__ == "__main__":
    main()
