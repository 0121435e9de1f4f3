"""What no server can exceed is computed by processes that end."""

from pathlib import Path

import pytest

from benchmarks.ceiling import ceiling
from tests.bundles import write_tiny_bundle


def test_processes_compute_when_they_are_told_to_and_end(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with ceiling(bundle) as found:
        assert found.measure(0.1) > 0
        assert found.measure(0.1) > 0
    assert {process.exitcode for process in found.processes} == {0}


def test_process_that_fails_is_not_waited_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ceiling(tmp_path / "nothing") as found, pytest.raises((EOFError, OSError)):
        found.measure(0.1)
    assert "BundleError" in capfd.readouterr().err
