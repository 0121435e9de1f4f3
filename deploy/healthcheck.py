"""Ask the service in this container whether it is ready; the exit code is the answer.

The container's health check. It needs nothing but the standard library, and as little of that as
can be, since it runs every few seconds.
"""

import os
import socket
import sys

_TIMEOUT_S = 4
_LIMIT_BYTES = 16 * 1024


def check(port: int) -> tuple[bool, str]:
    """Ask ``/health/ready`` on the loopback interface.

    Args:
        port: The port of the service.

    Returns:
        Whether the service is ready, and one line that says what it answered.
    """
    request = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
            connection.sendall(request)
            while len(answer) < _LIMIT_BYTES and (part := connection.recv(_LIMIT_BYTES)):
                answer += part
    except OSError as error:
        return False, f"no answer: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return status == [b"200"], body.decode(errors="replace") or "an empty answer"


if __name__ == "__main__":
    ready, line = check(int(os.environ.get("POLYPSEG_PORT") or 8000))
    print(line)  # noqa: T201 - the engine keeps it: docker inspect shows it
    sys.exit(0 if ready else 1)
