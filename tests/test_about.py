"""What `polypseg info` tells."""

from pathlib import Path

import pytest

from app import about
from app.settings import Settings
from tests.bundles import write_tiny_bundle


def test_packages_that_are_not_installed_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(about, "_PACKAGES", ("numpy", "no-such-package"))
    write_tiny_bundle(tmp_path / "tiny")
    settings = Settings(model=tmp_path / "tiny", device="cpu")
    described = about.describe(settings)
    assert described["numpy"]
    assert described["no-such-package"] is None
    about.show(settings, as_json=False)
    assert "not installed" in capsys.readouterr().out
