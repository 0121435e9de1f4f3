"""Whole HTTP requests, made once and sent many times, and what is in the answers to them."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["multipart", "raw", "v2"]
"""How a picture travels: a form, the body itself, or the JSON of the Open Inference Protocol."""

_BOUNDARY = "3b9f1d0a6c2e4875"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        port: On 127.0.0.1.
        path: Path of the operation.
        form: How a picture travels.
        headers: More headers.
    """

    port: int
    path: str
    form: Form = "multipart"
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, picture: bytes) -> bytes:
        """Return a POST with a picture, from the first byte to the last."""
        kind, body = _wrap(picture, self.form)
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Accept": "*/*",
            **self.headers,
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def png(self, body: bytes) -> bytes:
        """Return the PNG that an answer holds."""
        if self.form != "v2":
            return body
        return base64.b64decode(json.loads(body)["outputs"][0]["data"][0])


def get(port: int, path: str) -> bytes:
    """Return a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()


def _wrap(picture: bytes, form: Form) -> tuple[str, bytes]:
    if form == "raw":
        return "image/jpeg", picture
    if form == "v2":
        text = base64.b64encode(picture).decode()
        tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
        return "application/json", json.dumps({"inputs": [tensor]}).encode()
    head = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="image.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return f"multipart/form-data; boundary={_BOUNDARY}", body
