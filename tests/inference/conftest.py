"""Fixtures of the inference tests."""

from pathlib import Path

import pytest

from app.inference import Bundle, load_bundle
from tests.bundles import write_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with the ONNX model only. Do not write into it."""
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    return load_bundle(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where a test writes a bundle of its own."""
    return tmp_path / "models" / "tiny"
