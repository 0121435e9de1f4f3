"""What the head of a request must be, beyond what the parser checks."""

import re
from collections.abc import Iterable
from typing import Final

import httptools

from app.api.problems import BadRequest, Problem, UnknownMethod, VersionNotSupported

# RFC 3986, 3.2.2: a name, an IPv4 or a bracketed IPv6 address, with or without a port.
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*(:[0-9]*)?|\[[A-Fa-f0-9:.]+\](:[0-9]*)?")
_BARE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]+)([?#].*)?")
_UNKNOWN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ HTTP/1\.[01]\r\n")
_VERSION: Final = re.compile(rb"[A-Z]+ [^ \r\n]+ HTTP/([0-9]\.[0-9])\r\n")


def check_head(method: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Check the head of a request.

    Args:
        method: A method that the parser knows.
        version: Version of HTTP, such as `1.1`.
        headers: Names in lower case, with values.

    Raises:
        VersionNotSupported: Neither 1.0 nor 1.1.
        UnknownMethod: It asks for a tunnel.
        BadRequest: Not exactly one `Host` (RFC 9112, 3.2), or a transfer coding but `chunked`: the
            body may have no end that can be told (RFC 9112, 6.3).
    """
    check_version(version)
    if method == b"CONNECT":
        raise UnknownMethod("The method is not known here.")
    hosts, codings = [], []
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value.lower())
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        raise BadRequest(f"The request has {len(hosts)} headers 'Host', expected exactly one.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The header 'Host' is no host.")
    if codings and (version == "1.0" or codings != [b"chunked"]):
        raise BadRequest("The only 'Transfer-Encoding' that is accepted is chunked, in HTTP/1.1.")


def check_version(version: str) -> None:
    """Check the version of HTTP, such as `1.1`.

    Raises:
        VersionNotSupported: Neither 1.0 nor 1.1.
    """
    if version not in {"1.0", "1.1"}:
        raise VersionNotSupported(f"HTTP/{version} is not spoken here; send HTTP/1.1.")


def with_path(target: bytes) -> bytes:
    """Give an absolute target its path: without one it means "/" (RFC 9110, 4.2.3).

    Args:
        target: Of a request; other forms (RFC 9112, 3.2) come back as they are.
    """
    bare = None if target.startswith(b"/") else _BARE.fullmatch(target)
    return bare[1] + b"/" + (bare[2] or b"") if bare else target


def without_upgrade(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return the bytes of a head as if it had not asked for another protocol."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def what_is_wrong(data: bytes | memoryview, error: httptools.HttpParserError) -> Problem:
    """Say why the parser refused a head.

    Args:
        data: The bytes that the request begins with, as far as they are known.
        error: What the parser raised.
    """
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _UNKNOWN.match(data):
        return UnknownMethod("The method is not known here.")
    version = _VERSION.match(data)
    try:
        check_version(version[1].decode() if version else "1.1")
    except VersionNotSupported as problem:
        return problem
    return BadRequest("The request is not valid HTTP/1.1.")
