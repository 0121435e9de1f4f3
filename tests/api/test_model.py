"""The manifest and the card of the model."""

import hashlib
import json
from pathlib import Path

import pytest

from app.api import problems
from app.api.schemas import NOTICE
from app.inference import hash_files
from tests.api.conftest import Client, Serving
from tests.api.test_problems import check
from tests.bundles import write_tiny_bundle


async def test_manifest(client: Client, bundle_root: Path) -> None:
    manifest = (bundle_root / "1" / "manifest.json").read_bytes()
    answer = await client.get("/model")
    assert answer.status_code == 200
    assert answer.json() == json.loads(manifest) | {
        "sha256": hashlib.sha256(manifest).hexdigest(),
        "notice": NOTICE,
    }
    assert answer.headers["X-Model-Sha256"] == answer.json()["sha256"]


async def test_no_card(client: Client) -> None:
    check(await client.get("/model/card"), problems.NotFound)


@pytest.fixture
def bundle_with_card(tmp_path: Path) -> Path:
    path = write_tiny_bundle(tmp_path / "carded")
    (path / "model_card.md").write_text("# Tiny\n\nFör forskning.\n", "utf-8")
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"files": hash_files(path)}))
    return tmp_path / "carded"


async def test_card(serving: Serving, bundle_with_card: Path) -> None:
    async with serving(model=bundle_with_card) as client:
        answer = await client.get("/model/card")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert answer.text == "# Tiny\n\nFör forskning.\n"
        (bundle_with_card / "1" / "model_card.md").write_text("another model's")
        assert (await client.get("/model/card")).text == answer.text
