"""Reading an image from a body: framing, limits, damage. The forms come from httpx and urllib3."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.body import BodyMemory, Framing, read_framing, read_image
from app.api.problems import (
    BodyTimeout,
    BodyTooLarge,
    DeadlineExceeded,
    InvalidParameter,
    QueueFull,
    UndecodableImage,
    UnsupportedMediaType,
)
from app.inference.tally import Tally

URL = "http://host/predict"
MAX = 100_000


def request(chunks: Iterable[bytes], *, complete: bool = True) -> Request:
    """Return a request whose body comes in these chunks, and then ends or does not."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    if complete:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    pending = iter(messages)

    async def receive() -> Message:
        for message in pending:
            return message
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    return Request({"type": "http", "headers": []}, receive)


def asking(headers: Headers) -> Request:
    """Return a request with these headers, of which only the headers have come."""
    return Request(
        {
            "type": "http",
            "scheme": "http",
            "server": ("host", 80),
            "path": "/predict",
            "query_string": b"format=png",
            "headers": headers.raw,
        }
    )


def form(**kwargs: object) -> tuple[bytes, bytes]:
    """Return boundary and bytes of a form, as httpx writes it."""
    built = httpx.Request("POST", URL, **kwargs)  # type: ignore[arg-type]
    boundary = built.headers["content-type"].partition("boundary=")[2]
    return boundary.encode(), built.read()


async def read(
    framing: Framing,
    chunks: Iterable[bytes],
    *,
    memory: BodyMemory | None = None,
    max_bytes: int = MAX,
) -> bytes:
    with (memory or BodyMemory(10 * MAX, Tally())).share() as share:
        return await read_image(request(chunks), framing, share, max_bytes=max_bytes, timeout_s=5)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize(
    "media_type", [None, "application/octet-stream", "image/jpeg", "IMAGE/PNG"]
)
async def test_raw_body(media_type: str | None) -> None:
    headers = Headers({} if media_type is None else {"content-type": media_type})
    framing = read_framing(asking(headers), max_bytes=MAX)
    assert framing == Framing(None, None)
    assert await read(framing, [b"abc", b"", b"def"]) == b"abcdef"


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 2000), max_size=8))
async def test_form_in_any_pieces(content: bytes, cuts: list[int]) -> None:
    boundary, data = form(
        data={"note": "ignored"}, files={"file": ("name.png", content), "other": ("o", b"dropped")}
    )
    assert await read(Framing(boundary, None), split(data, cuts)) == content


@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=4))
async def test_any_bytes_as_a_form_are_an_image_or_a_problem(data: bytes, cuts: list[int]) -> None:
    with suppress(UndecodableImage, InvalidParameter):
        await read(Framing(b"b", None), split(b"--b\r\n" + data, cuts))


async def test_names_of_any_encoding_are_ignored() -> None:
    data = (
        b'--b\r\nContent-Disposition: form-data; name="caf\xe9"\r\n\r\nnote\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xff\xe9.jpg"\r\n\r\n'
        b"image\r\n--b--\r\n"
    )
    assert await read(Framing(b"b", None), [data]) == b"image"


async def test_what_follows_the_form_is_ignored() -> None:
    boundary, data = form(files={"file": ("a", b"image")})
    assert await read(Framing(boundary, None), [data, b"epilogue", b"more"]) == b"image"


async def test_announced_length_and_quoted_boundary_are_understood() -> None:
    headers = Headers(
        {"content-type": 'multipart/form-data; boundary="a b"', "content-length": "12"}
    )
    assert read_framing(asking(headers), max_bytes=MAX) == Framing(b"a b", 12)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=b",
        "multipart/form-data",
        f"multipart/form-data; boundary={'b' * 71}",
        "imagejpeg",
    ],
)
def test_other_types_are_told_the_curl_line(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"curl .*{URL}"):
        read_framing(asking(Headers({"content-type": content_type})), max_bytes=MAX)


def test_compressed_bodies_are_refused() -> None:
    headers = Headers({"content-type": "image/png", "content-encoding": "gzip"})
    with pytest.raises(UnsupportedMediaType, match="Content-Encoding"):
        read_framing(asking(headers), max_bytes=MAX)
    headers = Headers({"content-type": "image/png", "content-encoding": "identity"})
    assert read_framing(asking(headers), max_bytes=MAX) == Framing(None, None)


def test_too_large_by_announcement() -> None:
    headers = {"content-type": "image/png", "content-length": str(MAX)}
    assert read_framing(asking(Headers(headers)), max_bytes=MAX).length == MAX
    headers["content-length"] = str(MAX + 1)
    with pytest.raises(BodyTooLarge, match=str(MAX)):
        read_framing(asking(Headers(headers)), max_bytes=MAX)


async def test_too_large_while_reading() -> None:
    assert await read(Framing(None, None), [b"x" * 10] * 3, max_bytes=30) == b"x" * 30
    with pytest.raises(BodyTooLarge):
        await read(Framing(None, None), [b"x" * 10] * 3 + [b"x"], max_bytes=30)


async def test_dropped_parts_count_as_well() -> None:
    boundary, data = form(files={"other": ("o", b"x" * 50_000), "file": ("f", b"image")})
    with pytest.raises(BodyTooLarge):
        await read(Framing(boundary, None), [data], max_bytes=50_000)


async def test_body_that_does_not_end() -> None:
    with (
        BodyMemory(MAX, Tally()).share() as share,
        pytest.raises(BodyTimeout, match=r"0\.01 s \(3 bytes"),
    ):
        await read_image(
            request([b"abc"], complete=False),
            Framing(None, None),
            share,
            max_bytes=MAX,
            timeout_s=0.01,
        )


async def test_a_body_that_the_caller_has_no_patience_for() -> None:
    with (
        BodyMemory(MAX, Tally()).share() as share,
        pytest.raises(DeadlineExceeded, match=r"before the body was complete \(3 bytes"),
    ):
        await read_image(
            request([b"abc"], complete=False),
            Framing(None, None),
            share,
            max_bytes=MAX,
            timeout_s=60,
            patience_s=0.01,
        )


class Deaf:
    """A connection whose caller does not read."""

    unsent = 60


def test_answers_that_nobody_reads_take_of_the_memory_for_bodies() -> None:
    memory, deaf = BodyMemory(100, Tally()), Deaf()
    memory.unread.remember(deaf)
    with memory.share() as share:
        share.grow(40)
        with pytest.raises(QueueFull, match="unread answers"):
            share.grow(1)
        deaf.unsent = 0
        share.grow(60)


async def test_caller_who_leaves() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with BodyMemory(MAX, Tally()).share() as share, pytest.raises(ClientDisconnect):
        await read_image(
            Request({"type": "http", "headers": []}, receive),
            Framing(None, None),
            share,
            max_bytes=MAX,
            timeout_s=1,
        )


async def test_memory_is_shared_and_given_back() -> None:
    memory = BodyMemory(25, Tally())
    with memory.share() as other:
        other.grow(10)
        assert await read(Framing(None, None), [b"x" * 15], memory=memory) == b"x" * 15
        assert memory.held == 10
        with pytest.raises(QueueFull) as refusal:
            await read(Framing(None, None), [b"x" * 10, b"x" * 6], memory=memory)
        assert refusal.value.headers == {"Retry-After": "1"}
        assert memory.tally.dropped == {"rejected": 1}
        assert memory.held == 10
    assert memory.held == 0


@pytest.mark.parametrize("cut", [1, 20, -1, -3])
async def test_truncated_form(cut: int) -> None:
    boundary, data = form(files={"file": ("a", b"image" * 10)})
    with pytest.raises(UndecodableImage, match="multipart"):
        await read(Framing(boundary, None), [data[:cut]] if cut > 0 else [data[: cut - 2]])


async def test_wrong_boundary() -> None:
    _, data = form(files={"file": ("a", b"image")})
    with pytest.raises(UndecodableImage):
        await read(Framing(b"another", None), [data])


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ([("image", ("a", b"1"))], 0),
        ([("file", ("a", b"1")), ("file", ("b", b"2"))], 2),
    ],
)
async def test_exactly_one_part_is_expected(
    files: list[tuple[str, tuple[str, bytes]]], count: int
) -> None:
    boundary, data = form(files=files)
    with pytest.raises(InvalidParameter, match=f"{count} parts named 'file'"):
        await read(Framing(boundary, None), [data])


async def test_too_many_parts() -> None:
    boundary, data = form(files=[(f"part{n}", ("a", b"1")) for n in range(40)])
    with pytest.raises(InvalidParameter, match="too many parts"):
        await read(Framing(boundary, None), [data])


@pytest.mark.parametrize("length", ["x", "-1", "٣", ""])
def test_odd_length_is_no_announcement(length: str) -> None:
    headers = Headers(raw=[(b"content-length", length.encode("latin-1", "replace"))])
    assert read_framing(asking(headers), max_bytes=MAX).length is None
