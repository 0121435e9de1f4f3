"""The page about HTTP: its curl lines work, its example and its tables are true."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image as Pillow

from app.api.examples import example_prediction
from app.api.problems import all_problems
from app.api.schemas import Prediction
from tests.service.conftest import ROOT, Service

TEXT = (ROOT / "docs" / "http.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, jpeg: bytes) -> Path:
    (tmp_path / "image.jpg").write_bytes(jpeg)
    return tmp_path


def run(block: str, service: Service, folder: Path) -> str:
    """Run a block of the page against the service and return what it prints."""
    assert "http://127.0.0.1:8000/" in block
    command = block.replace("http://127.0.0.1:8000", service.url("")).replace(
        "curl -s", "curl -sS --max-time 20"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", BLOCKS)
def test_curl_lines(block: str, service: Service, folder: Path) -> None:
    output = run(block, service, folder)
    written = re.search(r"-o (\S+)", block)
    if written:
        with Pillow.open(folder / written[1]) as picture:
            assert picture.size == (720, 576)
            assert picture.mode == ("RGB" if "overlay" in written[1] else "L")
    if "-D -" in block:
        assert output.startswith("HTTP/1.1 200")
        assert "x-polyp-detected: " in output
    elif "no image" in block:
        assert json.loads(output)["code"] == "undecodable-image"
    elif "/predict" in block and not written:
        document = Prediction.model_validate_json(output)
        assert document.mask.size == (576, 720)
        assert ("compressed" in document.mask.encoding) == ("compressed" in block)
    elif not written:
        assert json.loads(output)["notice"]


def test_there_are_curl_lines_for_every_answer() -> None:
    assert len(BLOCKS) >= 10
    for path in ("/predict -o", "format=overlay", "application/json", "/model", "/health"):
        assert any(path in block for block in BLOCKS)


def test_example() -> None:
    (example,) = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert json.loads(example) == example_prediction().model_dump(mode="json")


def test_problems() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    kinds = sorted(all_problems(), key=lambda kind: kind.status)
    assert rows == [(str(kind.status), kind.code(), kind.__doc__) for kind in kinds]
