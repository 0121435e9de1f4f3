"""Reads an image from a request body, raw or multipart, into memory and nowhere else.

Limits are enforced while the bytes arrive. Starlette's own form parser is not used: it writes
every part over 1 MiB to a temporary file, and these are images of patients.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.requests import Request

from app.api.problems import (
    BodyTimeout,
    BodyTooLarge,
    DeadlineExceeded,
    InvalidParameter,
    QueueFull,
    UndecodableImage,
    UnsupportedMediaType,
)
from app.http.limits import Unread
from app.inference.tally import Tally

PART: Final = "file"

_RAW: Final = "curl --data-binary @image.jpg -H 'Content-Type: application/octet-stream' {url}"
_MULTIPART: Final = "curl -F file=@image.jpg {url}"
_MAX_PARTS: Final = 16
_MAX_BOUNDARY: Final = 70  # RFC 2046, 5.1.1


class BodyMemory:
    """The memory that all bodies, and answers that wait to be read, may take at once.

    Bytes are counted when they have arrived, not when they are announced, so that a caller who
    promises much and sends nothing keeps nobody out.

    Args:
        limit: Bytes of all bodies together.
        tally: Where to count who was turned away.

    Attributes:
        held: Bytes of all bodies now.
        unread: The answers that wait to be read.
    """

    def __init__(self, limit: int, tally: Tally) -> None:
        self.limit = limit
        self.tally = tally
        self.held = 0
        self.unread = Unread()

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Hold memory for one body until the block is left."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.held


class Share:
    """What one body holds of the memory for all of them."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self.held = 0

    def grow(self, count: int) -> None:
        """Take that many bytes more.

        Raises:
            QueueFull: Other bodies, and answers that nobody reads, leave too little.
        """
        if self._memory.held + self._memory.unread.bytes + count > self._memory.limit:
            self._memory.tally.dropped["rejected"] += 1
            raise QueueFull("Too many bytes of bodies and unread answers are held; try again.")
        self._memory.held += count
        self.held += count


@dataclass(frozen=True, slots=True)
class Framing:
    """How the image is wrapped, as the headers say.

    Attributes:
        boundary: Boundary of the multipart body; None for a raw body.
        length: Length of the body in bytes; None if it is not announced.
    """

    boundary: bytes | None
    length: int | None


def read_framing(request: Request, *, max_bytes: int) -> Framing:
    """Decide from the headers alone how the body is to be read, and whether at all.

    Args:
        request: The request; its body is not touched.
        max_bytes: Largest body.

    Raises:
        UnsupportedMediaType: The body is neither multipart nor an image, or it is compressed.
        BodyTooLarge: The announced length is over the limit.
    """
    headers = request.headers
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType(
            "A 'Content-Encoding' is not accepted; send the image file as it is."
        )
    length = headers.get("content-length")
    announced = (
        int(length) if length is not None and length.isascii() and length.isdigit() else None
    )
    if announced is not None and announced > max_bytes:
        raise _too_large(max_bytes)
    media_type, options = parse_options_header(headers.get("content-type", ""))
    if media_type == "multipart/form-data":
        boundary = options.get("boundary", "").encode("latin-1", "replace")
        if not 0 < len(boundary) <= _MAX_BOUNDARY:
            raise UnsupportedMediaType(
                "'Content-Type' names no usable multipart boundary; let the client set the "
                f"header: {_MULTIPART.format(url=_address(request))}"
            )
        return Framing(boundary, announced)
    # RFC 9110, 8.3: a body without a type may be taken as application/octet-stream.
    if media_type in ("", "application/octet-stream") or media_type.startswith("image/"):
        return Framing(None, announced)
    raise UnsupportedMediaType(
        "The body is declared as neither multipart/form-data nor image/* nor "
        f"application/octet-stream; try: {_RAW.format(url=_address(request))}"
    )


async def read_image(
    request: Request,
    framing: Framing,
    share: Share,
    *,
    max_bytes: int,
    timeout_s: float,
    patience_s: float = math.inf,
) -> bytes:
    """Read the image as it streams in.

    Args:
        request: The request; nothing of its body was read.
        framing: How the image is wrapped.
        share: Where its memory is counted.
        max_bytes: Largest body, multipart framing included.
        timeout_s: Time for the whole body, in seconds.
        patience_s: Seconds that the caller waits for the answer, from now on.

    Returns:
        The bytes of the image file.

    Raises:
        BodyTooLarge: More bytes than the limit.
        BodyTimeout: Not complete in time.
        DeadlineExceeded: Not complete while the caller was willing to wait.
        QueueFull: Other bodies leave too little memory.
        UndecodableImage: The multipart framing is damaged.
        InvalidParameter: There is not exactly one part `file`.
        starlette.requests.ClientDisconnect: The caller hung up.
    """
    reader: _Reader = _Raw() if framing.boundary is None else _Multipart(framing.boundary)
    received = 0
    try:
        async with asyncio.timeout(min(timeout_s, patience_s)):
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes:
                    raise _too_large(max_bytes)
                share.grow(len(chunk))
                reader.feed(chunk)
    except TimeoutError:
        if patience_s < timeout_s:
            raise DeadlineExceeded(
                f"The deadline passed before the body was complete ({received} bytes had arrived)."
            ) from None
        raise BodyTimeout(
            f"The body was not complete after {timeout_s:g} s ({received} bytes had arrived)."
        ) from None
    return reader.image()


def _address(request: Request) -> str:
    return str(request.url.replace(query=""))


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over the limit of {max_bytes} bytes.")


class _Reader(Protocol):
    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body; the last call has none."""
        ...

    def image(self) -> bytes:
        """Return the bytes of the image file."""
        ...


class _Raw:
    """The body is the image."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def feed(self, chunk: bytes) -> None:
        if chunk:  # a single one is not copied when all are joined
            self._chunks.append(chunk)

    def image(self) -> bytes:
        return b"".join(self._chunks)


class _Multipart:
    """The image is the part `file` of a form (RFC 7578); other parts are dropped as they come."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = PushMultipartParser(
            boundary,
            max_segment_count=_MAX_PARTS,
            # Any bytes are valid: of all names, ours alone matters, and it is ASCII.
            header_charset="latin-1",
        )
        self._chunks: list[bytes] = []
        self._found = 0
        self._inside = False

    def feed(self, chunk: bytes) -> None:
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._inside = event.name == PART
                    self._found += self._inside
                elif event is not None and self._inside and self._found == 1:
                    self._chunks.append(event)
        except ParserLimitReached:
            raise InvalidParameter(
                f"The form has too many parts (at most {_MAX_PARTS}), or a part has too many "
                "headers, or too large ones."
            ) from None
        except MultipartError:
            raise UndecodableImage("The multipart body is damaged or incomplete.") from None

    def image(self) -> bytes:
        if self._found != 1:
            raise InvalidParameter(
                f"The form has {self._found} parts named '{PART}', expected exactly one."
            )
        return b"".join(self._chunks)
