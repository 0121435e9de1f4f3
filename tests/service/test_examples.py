"""Every example of the OpenAPI description is what a real service answers.

A scene brings a service into a state; there, each operation that documents one of the examples of
the scene is asked.
"""

import hashlib
import http.client
import io
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import pytest
from PIL import Image as Pillow

from tests.service.conftest import HELD, Service, Start
from tests.service.described import OK, PROBLEM, Description, Example, check, read_description
from tests.service.perfect import write_perfect_bundle
from tests.waiting import wait_until

MINUTE = {"X-Request-Timeout-Ms": "60000"}
MOMENT_S = 0.3


class Ask(Protocol):
    """Sends the request that an operation is made for, or one that differs a little from it."""

    def __call__(self, example: Example, *, query: str = "", **changes: Any) -> httpx.Response:
        """Return the answer."""
        ...


def asking(service: Service, description: Description) -> Ask:
    def ask(example: Example, *, query: str = "", **changes: Any) -> httpx.Response:
        request: dict[str, Any] = {"content": description.image} if example.predicts else {}
        request |= changes
        request["headers"] = {
            "Accept": "*/*" if example.media_type == PROBLEM else example.media_type,
            "X-Request-Id": description.request_id,
            **changes.get("headers", {}),
        }
        url = service.url(example.path) + query
        return httpx.request(example.method, url, timeout=30, **request)

    return ask


def exchange(service: Service, sent: bytes) -> httpx.Response:
    """Send bytes that no HTTP client would send, and read the answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def opening(example: Example) -> bytes:
    """Return the beginning of a request."""
    return f"{example.method} {example.path} HTTP/1.1\r\nHost: x\r\n".encode()


def play(description: Description, names: tuple[str, ...], ask: Callable[..., Any]) -> None:
    for example in description.named(*names):
        check(example, ask(example))


def gif() -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (8, 8)).save(file, "GIF")
    return file.getvalue()


def huge(image: bytes) -> bytes:
    """Return the image with a header that promises 50,000 x 50,000 pixels."""
    header = image[12:16] + (50_000).to_bytes(4, "big") * 2 + image[24:29]
    return image[:12] + header + zlib.crc32(header).to_bytes(4, "big") + image[33:]


# The scenes, by the names of the examples that are played in them.

WRONG: Final[dict[str, Callable[[Ask, Example, bytes], httpx.Response]]] = {
    "undecodable-image": lambda ask, example, _: ask(example, content=b""),
    "unsupported-media-type": lambda ask, example, _: ask(example, content=gif()),
    "too-many-pixels": lambda ask, example, image: ask(example, content=huge(image)),
    "invalid-parameter": lambda ask, example, _: ask(example, query="?threshold=1"),
    "not-acceptable": lambda ask, example, _: ask(example, headers={"Accept": "text/html"}),
    "not-found": lambda ask, example, _: ask(example),  # the bundle has no card
}
RAW: Final = {
    "body-too-large": b"Content-Length: 33554433\r\n\r\n",
    "bad-request": b"no header\r\n\r\n",
    "headers-too-large": b"X: " + b"x" * 16385 + b"\r\n\r\n",
}
SLOW: Final = {"header-timeout": b"X: ", "body-timeout": b"Content-Length: 9\r\n\r\nhalf"}
KEYLESS: Final = ("unauthorized",)
STARTING: Final = ("starting", "not-ready")
FULL: Final = ("queue-full",)
LATE: Final = ("deadline-exceeded",)
FAILING: Final = ("internal-error",)
DEGRADED: Final = ("degraded",)
DRAINING: Final = ("draining",)


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundle that the examples tell of."""
    return write_perfect_bundle(tmp_path_factory.mktemp("models") / "polyp-unet")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def test_every_example_has_its_scene(service: Service) -> None:
    names = {example.name for example in read_description(service).examples}
    scenes = (WRONG, RAW, SLOW, KEYLESS, STARTING, FULL, LATE, FAILING, DEGRADED, DRAINING)
    assert names == {OK}.union(*scenes)


def test_answers(start: Start, perfect: Path) -> None:
    service = start(model=perfect).wait_ready()
    description = read_description(service)
    play(description, (OK,), asking(service, description))


def test_wrong_requests(service: Service) -> None:
    description = read_description(service)
    ask = asking(service, description)
    for name, send in WRONG.items():
        play(description, (name,), lambda example, send=send: send(ask, example, description.image))
    for name, rest in RAW.items():
        play(
            description,
            (name,),
            lambda example, rest=rest: exchange(service, opening(example) + rest),
        )


def test_slow_requests(start: Start, threads: ThreadPoolExecutor) -> None:
    service = start(header_timeout_s=MOMENT_S, body_timeout_s=MOMENT_S).wait_ready()
    description = read_description(service)
    answers = [
        (example, threads.submit(exchange, service, opening(example) + SLOW[example.name]))
        for example in description.named(*SLOW)
    ]
    for example, answer in answers:
        check(example, answer.result())


def test_requests_without_a_key(start: Start, perfect: Path) -> None:
    service = start(model=perfect, api_keys=hashlib.sha256(b"key").hexdigest()).wait_ready()
    description = read_description(service)
    ask = asking(service, description)
    play(description, KEYLESS, ask)
    play(description, (OK,), partial(ask, headers={"Authorization": "Bearer key"}))


def test_starting(start: Start, perfect: Path) -> None:
    service = start(HELD, model=perfect, holds=("loading",)).wait_listening()
    description = read_description(service)
    play(description, STARTING, asking(service, description))


def depth(service: Service) -> int:
    return int(service.get("/health").json()["queue"]["depth"])


def send(threads: ThreadPoolExecutor, service: Service, image: bytes) -> Future[httpx.Response]:
    """Send an image that waits its turn, and return when it is in line."""
    before = depth(service)
    url = service.url("/predict")
    answer = threads.submit(httpx.post, url, content=image, headers=MINUTE, timeout=30)
    wait_until(lambda: depth(service) > before)
    return answer


def hold(threads: ThreadPoolExecutor, service: Service, image: bytes) -> Future[httpx.Response]:
    """Hold the engine while it runs an image."""
    service.forget()
    service.hold("running")
    answer = send(threads, service, image)
    wait_until(lambda: service.runs)
    return answer


def test_full(start: Start, perfect: Path, threads: ThreadPoolExecutor) -> None:
    service = start(HELD, model=perfect, deadline_ms=1).wait_ready()  # so that few may wait
    description = read_description(service)
    answers = [hold(threads, service, description.image)]
    while depth(service) < service.get("/health").json()["queue"]["limit"]:
        answers.append(send(threads, service, description.image))
    play(description, FULL, partial(asking(service, description), headers=MINUTE))
    service.release("running")
    assert {answer.result().status_code for answer in answers} == {200}


def test_late(start: Start, perfect: Path, threads: ThreadPoolExecutor) -> None:
    service = start(HELD, model=perfect).wait_ready()
    description = read_description(service)
    ask = asking(service, description)

    def ask_late(example: Example) -> httpx.Response:
        running = hold(threads, service, description.image)
        patience = {"X-Request-Timeout-Ms": str(round(MOMENT_S * 1000))}
        late = threads.submit(ask, example, headers=patience)
        wait_until(lambda: depth(service) == 2)
        end = time.monotonic() + MOMENT_S
        wait_until(lambda: time.monotonic() > end)
        service.release("running")
        assert running.result().status_code == 200
        return late.result()

    play(description, LATE, ask_late)


def test_failing(start: Start, perfect: Path) -> None:
    service = start(HELD, model=perfect).wait_ready()
    description = read_description(service)
    ask = asking(service, description)

    def ask_failing(example: Example) -> httpx.Response:
        service.wait_ready()  # a probe has to go well after each failure
        service.hold("failing")
        answer = ask(example)
        service.release("failing")
        return answer

    play(description, FAILING, ask_failing)
    service.hold("loading")  # so that no new engine comes
    service.hold("failing")
    wait_until(lambda: service.post("/predict", content=description.image).status_code == 500)
    play(description, DEGRADED, ask)


def refuses_connections(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_draining(start: Start, perfect: Path, threads: ThreadPoolExecutor) -> None:
    service = start(HELD, model=perfect, drain_delay_s=0).wait_ready()
    description = read_description(service)
    running = hold(threads, service, description.image)
    # The listener goes, but the connections that are there are kept.
    clients = [(example, httpx.Client(timeout=30)) for example in description.named(*DRAINING)]
    for _, client in clients:
        assert client.get(service.url("/health/live")).status_code == 200
    service.kill()
    wait_until(lambda: refuses_connections(service))
    for example, client in clients:
        content = description.image if example.predicts else None
        check(example, client.request(example.method, service.url(example.path), content=content))
        client.close()
    service.release("running")
    assert running.result().status_code == 200
    assert service.wait() == 0
