"""What no server can exceed is computed by processes that end."""

import multiprocessing
from pathlib import Path

from benchmarks.ceiling import ceiling
from tests.bundles import write_tiny_bundle


def test_processes_compute_when_they_are_told_to_and_end(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with ceiling(bundle) as processes:
        assert processes.measure(0.1) > 0
        assert processes.measure(0.1) > 0
    assert multiprocessing.active_children() == []
