"""The OpenAPI description says what the service does, and its examples are true."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from app.api import problems
from app.api.documentation import HEADERS, MASK_HEADERS
from app.api.examples import EXAMPLE_HEIGHT, EXAMPLE_WIDTH
from app.api.problems import MEDIA_TYPE, all_problems
from app.api.schemas import NOTICE, Prediction, ProblemDocument
from app.imaging import phantom
from tests.api.conftest import Client

# pycocotools' compiled part is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONNECTION_STATUSES = {"400", "408", "431"}
PREDICT_STATUSES = {"401", "413", "415", "422", "429", "500", "503", "504"}


@pytest.fixture
async def description(client: Client) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    assert isinstance(document, dict)
    return document


def operations(description: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for methods in description["paths"].values()
        for operation in methods.values()
    }


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_operations(description: dict[str, Any]) -> None:
    assert {
        (path, method, operation["operationId"])
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    } == {
        ("/predict", "post", "predict"),
        ("/predict/png", "post", "predict_png"),
        ("/predict/json", "post", "predict_json"),
        ("/predict/overlay", "post", "predict_overlay"),
        ("/predict/probability", "post", "predict_probability"),
        ("/health", "get", "health"),
        ("/health/live", "get", "health_live"),
        ("/health/ready", "get", "health_ready"),
        ("/model", "get", "model"),
        ("/model/card", "get", "model_card"),
        ("/metrics", "get", "metrics"),
    }


def test_notice_is_on_top(description: dict[str, Any]) -> None:
    assert NOTICE in description["info"]["description"]


def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    found = set(references(description))
    assert found
    for reference in found:
        node: Any = description
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_statuses_of_predictions(description: dict[str, Any]) -> None:
    for name, operation in operations(description).items():
        if name.startswith("predict"):
            expected = {"200"} | CONNECTION_STATUSES | PREDICT_STATUSES
            assert set(operation["responses"]) == expected | (
                {"406"} if name == "predict" else set()
            )
            assert set(operation["requestBody"]["content"]) >= {
                "multipart/form-data",
                "application/octet-stream",
                "image/jpeg",
            }


def test_ranges_of_parameters(description: dict[str, Any]) -> None:
    parameters = {
        parameter["name"]: parameter["schema"].get("anyOf", [parameter["schema"]])[0]
        for parameter in operations(description)["predict_png"]["parameters"]
    }
    assert parameters == {
        "threshold": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "X-Request-Timeout-Ms": {"type": "integer", "minimum": 1},
        "X-Request-Id": {"type": "string"},
    }


def test_types_of_answers(description: dict[str, Any]) -> None:
    types = {
        name: set(operation["responses"]["200"]["content"])
        for name, operation in operations(description).items()
    }
    assert types == {
        "predict": {"image/png", "application/json"},
        "predict_png": {"image/png"},
        "predict_json": {"application/json"},
        "predict_overlay": {"image/png"},
        "predict_probability": {"image/png"},
        "health": {"application/json"},
        "health_live": {"application/json"},
        "health_ready": {"application/json"},
        "model": {"application/json"},
        "model_card": {"text/markdown"},
        "metrics": {"text/plain"},
    }


def test_every_answer_documents_its_headers(description: dict[str, Any]) -> None:
    for operation in operations(description).values():
        for status, answer in operation["responses"].items():
            assert answer["description"]
            assert set(HEADERS) <= set(answer["headers"])
            assert ("Retry-After" in answer["headers"]) == (
                status in {"429", "503"} and MEDIA_TYPE in answer["content"]
            )
            pictures = "image/png" in answer["content"]
            assert pictures == (set(MASK_HEADERS) <= set(answer["headers"]))


async def test_what_becomes_of_a_request_id(client: Client, description: dict[str, Any]) -> None:
    headers = operations(description)["health"]["responses"]["200"]["headers"]
    assert (
        "1 to 64 letters, digits, dots, underscores, tildes and hyphens"
        in (headers["X-Request-Id"]["description"])
    )
    for sent in ("z" * 64, "A.b_c~d-9", "z" * 65, "a b", ""):
        well_formed = re.fullmatch(r"[A-Za-z0-9._~-]{1,64}", sent)
        answer = await client.get("/health", headers={"X-Request-Id": sent})
        assert (answer.headers["X-Request-Id"] == sent) == bool(well_formed)


def test_keys_are_optional_where_they_may_be_needed(description: dict[str, Any]) -> None:
    assert description["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for name, operation in operations(description).items():
        protected = name.startswith(("predict", "model"))
        assert operation.get("security") == ([{}, {"api_key": []}] if protected else None)


def test_problem_examples_are_what_is_sent(description: dict[str, Any]) -> None:
    kinds = {kind.code(): kind for kind in all_problems()}
    seen = set()
    for operation in operations(description).values():
        for status, answer in operation["responses"].items():
            for code in answer["content"].get(MEDIA_TYPE, {}).get("examples", {}):
                example = description["components"]["examples"][code]
                document = ProblemDocument.model_validate(example["value"], extra="forbid")
                assert document.code == code
                assert document.status == int(status) == kinds[code].status
                seen.add(code)
    # An operation is a path with its method, in the version that clients are made for.
    others = (problems.MethodNotAllowed, problems.UnknownMethod, problems.VersionNotSupported)
    assert seen == set(kinds) - {kind.code() for kind in others}


def test_every_answer_has_an_example(description: dict[str, Any]) -> None:
    for operation in operations(description).values():
        assert set(operation["responses"]) >= CONNECTION_STATUSES
        for answer in operation["responses"].values():
            for content in answer["content"].values():
                assert content.get("example") or content["examples"]


def test_prediction_example_is_true(description: dict[str, Any]) -> None:
    for name in ("predict", "predict_json"):
        answer = operations(description)[name]["responses"]["200"]["content"]["application/json"]
        document = Prediction.model_validate(answer["example"])
        assert document.mask.size == (EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
        run_lengths = coco.frPyObjects(answer["example"]["mask"], EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
        _, mask = phantom(EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
        np.testing.assert_array_equal(coco.decode(run_lengths) > 0, mask > 0)
        assert document.area_px == np.count_nonzero(mask)


async def test_the_documents_match_their_schemas(
    client: Client, png: bytes, description: dict[str, Any]
) -> None:
    schemas = description["components"]["schemas"]
    for path, name in (
        ("/health", "HealthReport"),
        ("/health/live", "Alive"),
        ("/model", "ModelReport"),
    ):
        document = (await client.get(path)).json()
        assert set(document) == set(schemas[name]["properties"])
    document = (await client.post("/predict/json", content=png)).json()
    assert set(document) == set(schemas["Prediction"]["properties"])
    assert set(schemas["Prediction"]["required"]) == set(document)
