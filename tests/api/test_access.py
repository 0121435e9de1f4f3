"""Who may ask, from which web page, and what browsers are told."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import anyio.to_thread
import pytest

from app.api import problems
from app.api.documentation import EXPOSED
from app.api.security import HEADERS
from app.keys import digest
from tests.api.conftest import Serving
from tests.api.test_problems import check

ORIGIN = "https://viewer.example"
PROTECTED = [
    ("POST", "/predict"),
    ("POST", "/predict/png"),
    ("POST", "/predict/json"),
    ("POST", "/predict/overlay"),
    ("POST", "/predict/probability"),
    ("GET", "/model"),
    ("GET", "/model/card"),
]
OPEN = ["/health", "/health/live", "/health/ready", "/docs", "/openapi.json"]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "Authorization: Bearer KEY"),
        ("Bearer", "Authorization: Bearer KEY"),
        ("Bearer ", "Authorization: Bearer KEY"),
        ("Basic b25lOnR3bw==", "Authorization: Bearer KEY"),
        ("Bearer guess", "not known"),
        (f"Bearer {digest('one')}", "not known"),
    ],
)
async def test_without_a_key(
    serving: Serving, method: str, path: str, authorization: str | None, words: str
) -> None:
    async with serving(api_keys=digest("one")) as client:
        headers = {} if authorization is None else {"Authorization": authorization}
        # Parameters that do not fit are not looked at before the key.
        answer = await client.request(method, path, params={"x": "y"}, headers=headers)
        assert words in check(answer, problems.Unauthorized)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_with_any_of_several_keys(serving: Serving, png: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# archive\n{digest('two')}\n")
    async with serving(api_keys=digest("one"), api_keys_file=file) as client:
        for key in ("one", "two"):
            for scheme in ("Bearer", "bearer"):
                headers = {"Authorization": f"{scheme} {key}"}
                answer = await client.post("/predict", content=png, headers=headers)
                assert answer.status_code == 200


async def test_a_key_is_what_its_bytes_are(serving: Serving, png: bytes) -> None:
    async with serving(api_keys=digest("schlüssel")) as client:
        headers = {b"Authorization": "Bearer schlüssel".encode()}
        assert (await client.post("/predict", content=png, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", OPEN)
async def test_what_needs_no_key(serving: Serving, path: str) -> None:
    async with serving(api_keys=digest("one")) as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/nothing", "/model"])
async def test_security_headers(serving: Serving, path: str) -> None:
    async with serving() as client:
        answer = await client.get(path)
    for name, value in HEADERS.items():
        if (path, name) != ("/docs", "Content-Security-Policy"):
            assert answer.headers[name] == value
    assert "Server" not in answer.headers


async def test_an_allowed_page_may_read_every_header(serving: Serving, png: bytes) -> None:
    async with serving(cors_origins=(ORIGIN,)) as client:
        answer = await client.post("/predict", content=png, headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert set(exposed) == set(EXPOSED)
        assert {"X-Request-Id", "X-Model", "X-Model-Sha256", "Server-Timing"} <= set(exposed)
        assert {"X-Polyp-Detected", "X-Mask-Area", "X-Threshold", "Retry-After"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Vary"] == "Accept, Origin"


async def test_problems_can_be_read_by_an_allowed_page(serving: Serving) -> None:
    async with serving(cors_origins=(ORIGIN,)) as client:
        answer = await client.post("/predict", content=b"", headers={"Origin": ORIGIN})
        check(answer, problems.UndecodableImage)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["https://other.example", "http://viewer.example", "null"])
async def test_other_pages_may_not(serving: Serving, png: bytes, origin: str) -> None:
    async with serving(cors_origins=(ORIGIN,)) as client:
        answer = await client.post("/predict", content=png, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_preflight(serving: Serving) -> None:
    async with serving(cors_origins=(ORIGIN,), api_keys=digest("one")) as client:
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, x-request-timeout-ms, x-request-id",
        }
        answer = await client.options("/predict", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        answer = await client.options("/predict", headers=headers | {"Origin": "https://x.example"})
        assert answer.status_code == 400


async def test_without_an_allow_list_no_page_is_answered_to(serving: Serving, png: bytes) -> None:
    async with serving() as client:
        answer = await client.post("/predict", content=png, headers={"Origin": ORIGIN})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        check(await client.options("/predict", headers=headers), problems.MethodNotAllowed)


async def test_no_thread_is_needed_to_let_a_caller_in(serving: Serving) -> None:
    # FastAPI runs plain functions in threads: a hop of half a millisecond, and a queue of its own.
    threads = anyio.to_thread.current_default_thread_limiter()
    async with serving(api_keys=digest("one")) as client, AsyncExitStack() as busy:
        for _ in range(int(threads.total_tokens)):
            owner = object()
            await threads.acquire_on_behalf_of(owner)
            busy.callback(threads.release_on_behalf_of, owner)
        async with asyncio.timeout(10):
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/model")).status_code == 401
            assert (await client.post("/predict", content=b"")).status_code == 401
