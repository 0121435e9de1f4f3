"""The cores that affinity and quota leave."""

import os
from pathlib import Path

import pytest

from app.inference.cores import available_cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 4),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("800000 100000", 4),
        ("nonsense", 4),
        (None, 4),
    ],
)
def test_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 6})
    limit = tmp_path / "cpu.max"
    if quota:
        limit.write_text(f"{quota}\n")
    assert available_cores(limit) == cores


def test_this_machine_has_a_core() -> None:
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))
