"""The cores that affinity and quota leave, and which of them are ours alone."""

import os
from pathlib import Path

import pytest

from app.inference.cores import available_cores, own_cores


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where control groups are mounted, on a machine that leaves this process four cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 6})
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 4),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("800000 100000", 4),
        ("nonsense", 4),
    ],
)
def test_quota_of_version_2(cgroup: Path, limit: str, cores: int) -> None:
    (cgroup / "cpu.max").write_text(f"{limit}\n")
    assert available_cores(cgroup) == cores


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [
        ("-1", "100000", 4),
        ("100000", "100000", 1),
        ("100000", "50000", 2),
        ("250000", "100000", 3),
        ("1000", "100000", 1),
        ("800000", "100000", 4),
        ("nonsense", "100000", 4),
        ("100000", None, 4),
    ],
)
def test_quota_of_version_1(cgroup: Path, quota: str, period: str | None, cores: int) -> None:
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    if period:
        (cgroup / "cpu/cpu.cfs_period_us").write_text(f"{period}\n")
    assert available_cores(cgroup) == cores


def test_without_control_groups(cgroup: Path) -> None:
    assert available_cores(cgroup) == 4


def test_this_machine_has_a_core() -> None:
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", [0, 2, 4, 6]),
        ("400000 100000", [0, 2, 4, 6]),
        ("399000 100000", []),
        ("100000 100000", []),
    ],
)
def test_cores_are_ours_unless_a_quota_says_how_many(
    cgroup: Path, limit: str, cores: list[int]
) -> None:
    (cgroup / "cpu.max").write_text(f"{limit}\n")
    assert own_cores(cgroup) == cores
