"""What the head of a request must be."""

import httptools
import pytest

from app.api.problems import BadRequest, UnknownMethod, VersionNotSupported
from app.http.head import check_head, what_is_wrong, with_path, without_upgrade

HOST = (b"host", b"service:8000")


@pytest.mark.parametrize(
    "host",
    [b"", b"a", b"a.example:8000", b"127.0.0.1:80", b"[::1]", b"[2001:db8::1]:8000", b"a_b", b"x:"],
)
def test_hosts(host: bytes) -> None:
    check_head(b"GET", "1.1", [(b"host", host), (b"accept", b"*/*")])


@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"a@b", b"a?b", b"<script>", b"a:b", b"[::1", b"a,b/", b"\xff", b'"']
)
def test_what_is_no_host(host: bytes) -> None:
    with pytest.raises(BadRequest, match="'Host' is no host"):
        check_head(b"GET", "1.1", [(b"host", host)])


def test_one_host_is_expected() -> None:
    check_head(b"GET", "1.0", [])
    check_head(b"GET", "1.0", [HOST])
    for version, headers in (("1.1", []), ("1.1", [HOST, HOST]), ("1.0", [HOST, HOST])):
        with pytest.raises(BadRequest, match=f"has {len(headers)} headers 'Host'"):
            check_head(b"GET", version, headers)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2"])
def test_versions(version: str) -> None:
    with pytest.raises(VersionNotSupported, match=f"HTTP/{version} "):
        check_head(b"GET", version, [HOST])


def test_tunnels() -> None:
    with pytest.raises(UnknownMethod):
        check_head(b"CONNECT", "1.1", [HOST])


def test_chunked_is_the_only_coding() -> None:
    for coding in (b"chunked", b"CHUNKED"):
        check_head(b"POST", "1.1", [HOST, (b"transfer-encoding", coding)])
    for coding in (b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity", b""):
        with pytest.raises(BadRequest, match="only 'Transfer-Encoding'"):
            check_head(b"POST", "1.1", [HOST, (b"transfer-encoding", coding)])
    with pytest.raises(BadRequest):
        check_head(b"POST", "1.1", [HOST, *[(b"transfer-encoding", b"chunked")] * 2])
    with pytest.raises(BadRequest):
        check_head(b"POST", "1.0", [HOST, (b"transfer-encoding", b"chunked")])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://host", b"http://host/"),
        (b"HTTPS://host:8000?a=b/c?d", b"HTTPS://host:8000/?a=b/c?d"),
        (b"http://host#top", b"http://host/#top"),
        (b"http://host/", b"http://host/"),
        (b"http://host/health?to=http://x", b"http://host/health?to=http://x"),
        (b"/", b"/"),
        (b"/a?b=http://host", b"/a?b=http://host"),
        (b"*", b"*"),
        (b"", b""),
        (b"http://", b"http://"),
    ],
)
def test_an_absolute_target_has_a_path(target: bytes, expected: bytes) -> None:
    assert with_path(target) == expected


def refused(data: bytes) -> httptools.HttpParserError:
    """Return what the parser raises at a head."""
    with pytest.raises(httptools.HttpParserError) as caught:
        httptools.HttpRequestParser(object()).feed_data(data)
    return caught.value


@pytest.mark.parametrize(
    "data", [b"BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n", b"get / HTTP/1.0\r\n"]
)
def test_methods_that_could_be_some(data: bytes) -> None:
    error = refused(data)
    assert isinstance(what_is_wrong(data, error), UnknownMethod)
    assert isinstance(what_is_wrong(memoryview(data), error), UnknownMethod)
    assert isinstance(what_is_wrong(b"", error), BadRequest)


@pytest.mark.parametrize(
    "data", [b"nonsense\r\n", b"\x16\x03\x01", b"BREW  HTTP/1.1\r\n", b"B\tW / HTTP/1.1\r\n"]
)
def test_what_is_no_request(data: bytes) -> None:
    assert isinstance(what_is_wrong(data, refused(data)), BadRequest)


@pytest.mark.parametrize("version", ["3.0", "2.7"])
def test_versions_that_the_parser_refuses(version: str) -> None:
    data = f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode()
    problem = what_is_wrong(data, refused(data))
    assert isinstance(problem, VersionNotSupported)
    assert version in str(problem)


def test_the_same_head_without_another_protocol() -> None:
    headers = [HOST, (b"connection", b"upgrade"), (b"upgrade", b"h2c"), (b"accept", b"*/*")]
    assert without_upgrade(b"POST", b"/a?b", "1.1", headers) == (
        b"POST /a?b HTTP/1.1\r\nhost: service:8000\r\nconnection: upgrade\r\naccept: */*\r\n\r\n"
    )
