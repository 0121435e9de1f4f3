"""A client that openapi-python-client generates from the service's own description, and its use."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.environments import FOLDER
from tests.service.conftest import Service

_BIN = FOLDER / "client" / "bin"

pytestmark = pytest.mark.skipif(
    not (_BIN / "openapi-python-client").exists(),
    reason="needs an environment of its own: python -m benchmarks.environments client",
)

# The generator knows JSON and plain bytes; pictures are plain bytes.
_CONFIGURATION = {"content_type_overrides": {"image/png": "application/octet-stream"}}

_USE = """
import io, json, sys

from client.api.health import health_ready
from client.api.model import model
from client.api.predict import (
    predict_json, predict_overlay, predict_png, predict_probability
)
from client.client import Client
from client.models import PredictPngFilesBody, Prediction, ProblemDocument
from client.types import File

url, image, folder = sys.argv[1:]
client = Client(base_url=url)
assert health_ready.sync(client=client).state.value == "ready"


def picture():
    return File(payload=open(image, "rb"), file_name="image.jpg", mime_type="image/jpeg")


for operation in (predict_png, predict_overlay, predict_probability):
    answer = operation.sync(client=client, body=picture())
    name = operation.__name__.rpartition(".")[2]
    open(f"{folder}/{name}", "wb").write(answer.payload.read())
form = predict_png.sync(client=client, body=PredictPngFilesBody(file=picture()))
open(f"{folder}/form", "wb").write(form.payload.read())
found = predict_json.sync(client=client, body=picture(), threshold=0.3)
assert isinstance(found, Prediction)
wrong = predict_json.sync(client=client, body=picture(), threshold=7.0)
assert isinstance(wrong, ProblemDocument)
text = predict_png.sync(client=client, body=File(payload=io.BytesIO(b"no picture")))
assert isinstance(text, ProblemDocument)
print(json.dumps({
    "found": found.to_dict(), "wrong": wrong.to_dict(), "text": text.to_dict(),
    "model": model.sync(client=client).to_dict(),
}))
"""


def test_generated_client(service: Service, jpeg: bytes, tmp_path: Path) -> None:
    description, configuration = tmp_path / "openapi.json", tmp_path / "configuration.json"
    description.write_text(service.get("/openapi.json").text)
    configuration.write_text(json.dumps(_CONFIGURATION))
    image, answers = tmp_path / "image.jpg", tmp_path / "answers"
    image.write_bytes(jpeg)
    answers.mkdir()
    _run(
        *(_BIN / "openapi-python-client", "generate", "--meta", "none", "--path", description),
        *("--output-path", tmp_path / "client", "--config", configuration),
    )
    told = json.loads(
        _run(_BIN / "python", "-c", _USE, service.url(""), image, answers, at=tmp_path)
    )

    for name in ("png", "overlay", "probability"):
        expected = service.post(f"/predict/{name}", content=jpeg).content
        assert (answers / f"predict_{name}").read_bytes() == expected
    assert (answers / "form").read_bytes() == (answers / "predict_png").read_bytes()
    expected = service.post("/predict/json", content=jpeg, params={"threshold": 0.3}).json()
    changing = {"request_id": "", "timing_ms": {}}
    assert told["found"] | changing == expected | changing
    assert told["wrong"]["code"] == "invalid-parameter"
    assert told["text"]["code"] == "undecodable-image"
    assert told["model"] == service.get("/model").json()


def _run(*command: object, at: Path | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=at, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
