"""The examples of the OpenAPI description, and what of them a real answer must repeat."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from app.imaging import decode
from tests.service.conftest import Service
from tests.service.scraping import Scrape

OK = "200"
PNG = "image/png"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Example:
    """An example of an answer.

    Attributes:
        operation: Id of the operation that documents it.
        method: Method of the operation.
        path: Path of the operation.
        status: Status of the answer.
        media_type: Media type of the answer.
        name: Code of a problem, state of the service, or `OK`.
        example: The example object of OpenAPI.
        headers: Headers that are documented with the answer.
    """

    operation: str
    method: str
    path: str
    status: str
    media_type: str
    name: str
    example: dict[str, Any]
    headers: frozenset[str]

    @property
    def predicts(self) -> bool:
        """Whether the operation takes an image."""
        return self.method == "POST"


@dataclass(frozen=True)
class Description:
    """The description as a service gives it.

    Attributes:
        examples: Every example of every operation.
        image: The example of an image to send.
        request_id: The request id of the examples.
    """

    examples: tuple[Example, ...]
    image: bytes
    request_id: str

    def named(self, *names: str) -> list[Example]:
        """Return the examples of these names, at least one."""
        examples = [example for example in self.examples if example.name in names]
        assert examples
        return examples


def read_description(service: Service) -> Description:
    """Ask a service for its description."""
    description = service.get("/openapi.json").json()
    shared = description["components"]["examples"]
    return Description(
        tuple(_examples(description, shared)),
        _picture(shared["phantom"]),
        shared["not-found"]["value"]["request_id"],
    )


def check(example: Example, answer: httpx.Response) -> None:
    """Check that the answer is the example, but for what differs from one request to the next."""
    assert str(answer.status_code) == example.status, answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == example.media_type
    of_masks = {"X-Polyp-Detected", "X-Mask-Area", "X-Threshold"}
    for name in example.headers - (set() if example.media_type == PNG else of_masks):
        assert name in answer.headers
    if example.media_type == PNG:
        real, shown = decode(answer.content), decode(_picture(example.example))
        np.testing.assert_array_equal(real.pixels, shown.pixels)
    elif example.media_type == "text/markdown":
        assert answer.text == example.example["value"]
    elif example.media_type == "text/plain":
        _check_metrics(example.example["value"], answer.text)
    else:
        _check_document(example.example["value"], answer)


def _examples(description: dict[str, Any], shared: dict[str, Any]) -> Iterator[Example]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for media_type, content in answer["content"].items():
                    for name, example in _named(content, shared):
                        yield Example(
                            operation["operationId"],
                            method.upper(),
                            path,
                            status,
                            media_type,
                            name,
                            example,
                            frozenset(answer["headers"]),
                        )


def _named(content: dict[str, Any], shared: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "example" in content:
        yield OK, {"value": content["example"]}
    for name, example in content.get("examples", {}).items():
        referred = example.get("$ref", "").removeprefix("#/components/examples/")
        yield OK if name == "phantom" else name, shared[referred] if referred else example


def _picture(example: dict[str, Any]) -> bytes:
    """Return the bytes of a picture that stands as an address in the description."""
    head, _, data = example["externalValue"].partition(",")
    assert head == "data:image/png;base64"
    return base64.b64decode(data, validate=True)


def _check_metrics(shown: str, real: str) -> None:
    comments = {line for line in shown.splitlines() if line.startswith("#")}
    assert comments
    assert comments <= set(real.splitlines())
    assert Scrape(shown).labels.items() <= Scrape(real).labels.items()


def _check_document(shown: dict[str, Any], answer: httpx.Response) -> None:
    real = answer.json()
    assert real.keys() == shown.keys()
    # What the machine at hand says of itself, and the small model that stands in for a real one.
    differing = {"request_id", "reason", "queue", "batch_limit", "slots", "threads"}
    differing |= {"input_height", "input_width", "files", "sha256", "timing_ms"}
    for name in differing & shown.keys():
        assert _kind(real[name]) == _kind(shown[name])
    if "request_id" in shown:
        assert real["request_id"] == answer.headers["X-Request-Id"]
    if "model" in shown:
        assert real["model"].pop("sha256") == answer.headers["X-Model-Sha256"]
    for name in shown.keys() - differing:
        assert _steady(real[name]) == _steady(shown[name]), f"{name}: {real[name]}"


def _kind(value: object) -> object:
    return value.keys() if isinstance(value, dict) else type(value)


def _steady(value: Any) -> Any:
    """Return what must agree: numbers in a sentence may differ, and the hash of the model does."""
    if isinstance(value, str):
        return re.sub(r"\d+(\.\d+)?", "#", value)
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if name != "sha256"}
    return value
