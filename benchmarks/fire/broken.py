"""Thousands of broken images over HTTP: a documented status each, no crash, nobody waits long.

Usage: python -m benchmarks.fire.broken [--images 3000] [--seed 0]
"""

import asyncio
import io
import random
import time
from collections import Counter
from collections.abc import Iterator

from PIL import Image

from app.imaging import phantom
from benchmarks.connection import connect
from benchmarks.fire.proof import Figure, conclude, options
from benchmarks.fire.service import Service, serve

DOCUMENTED = frozenset({200, 400, 413, 415})
"""What a body may be answered with: some broken images can still be decoded."""

_PATIENCE_S = 20.0
_HEADER = 128


def sound() -> list[bytes]:
    """Return small images of every accepted kind."""
    image, mask = phantom(96, 128)
    colour, grey = Image.fromarray(image), Image.fromarray(mask)
    alpha = colour.copy()
    alpha.putalpha(grey)
    kinds: list[tuple[Image.Image, dict[str, object]]] = [
        (colour, {"format": "JPEG"}),
        (colour, {"format": "JPEG", "progressive": True}),
        (colour.convert("CMYK"), {"format": "JPEG"}),
        (grey, {"format": "JPEG"}),
        (colour, {"format": "PNG"}),
        (alpha, {"format": "PNG"}),
        (colour.quantize(16), {"format": "PNG"}),
        (Image.fromarray(mask.astype("uint16") * 257), {"format": "PNG"}),
        (colour, {"format": "TIFF"}),
        (colour, {"format": "TIFF", "compression": "tiff_lzw"}),
        (colour, {"format": "TIFF", "compression": "jpeg"}),
        (colour, {"format": "BMP"}),
        (colour.quantize(16), {"format": "BMP"}),
        (colour, {"format": "WEBP"}),
        (alpha, {"format": "WEBP", "lossless": True}),
    ]
    return [_encode(picture, **settings) for picture, settings in kinds]


def broken(images: int, seed: int) -> Iterator[bytes]:
    """Yield images with mutated headers, flipped bits, missing ends, or bytes of another one."""
    pick = random.Random(seed)  # noqa: S311 - no secret
    originals = sound()
    for _ in range(images):
        data = bytearray(pick.choice(originals))
        match pick.randrange(5):
            case 0:
                for _ in range(pick.randint(1, 8)):
                    data[pick.randrange(2, min(_HEADER, len(data)))] = pick.randrange(256)
            case 1:
                for _ in range(pick.randint(1, 64)):
                    data[pick.randrange(len(data))] ^= 1 << pick.randrange(8)
            case 2:
                del data[pick.randrange(1, len(data)) :]
            case 3:
                other, at = pick.choice(originals), pick.randrange(len(data))
                data[at : at + 64] = other[at % len(other) :][:64]
            case _:
                # A length or a size that is far too large.
                at = pick.randrange(2, min(_HEADER, len(data) - 4))
                data[at : at + 4] = pick.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4)))
        yield bytes(data)


async def ask(service: Service, images: int, seed: int) -> tuple[Counter[int], float]:
    """Send them all; return how often each status came, and the longest time in seconds.

    Raises:
        TimeoutError: No answer.
        ConnectionError: The service has gone.
    """
    statuses: Counter[int] = Counter()
    slowest = 0.0
    connection = await connect(service.port)
    for number, data in enumerate(broken(images, seed)):
        if not connection.open:
            connection = await connect(service.port)
        began = time.perf_counter()
        async with asyncio.timeout(_PATIENCE_S):
            status, body = await connection.ask(service.target().request(data))
        slowest = max(slowest, time.perf_counter() - began)
        if status not in DOCUMENTED:
            print(f"Image {number} of seed {seed}: {status} {body.decode()}")
        statuses[status] += 1
    connection.hang_up()
    return statuses, slowest


def _encode(picture: Image.Image, **settings: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **settings)  # type: ignore[arg-type]
    return buffer.getvalue()


def main() -> None:
    """Measure."""
    given = options(__doc__, images=3000, seed=0)
    with serve(given.bundle) as service:
        statuses, slowest = asyncio.run(ask(service, given.images, given.seed))
        alive = service.get("/health/ready").status_code
    undocumented = sum(count for status, count in statuses.items() if status not in DOCUMENTED)
    print(dict(sorted(statuses.items())))
    conclude(
        [
            Figure("broken images", statuses.total(), 2000, least=True),
            Figure("answered with an undocumented status", undocumented, 0),
            Figure("slowest answer", slowest, 2, "s"),
            Figure("status of /health/ready afterwards", alive, 200),
        ]
    )


if __name__ == "__main__":
    main()
