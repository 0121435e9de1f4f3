"""Which processor cores this process may use, and how many."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_cores(cgroup: Path = _CGROUP) -> int:
    """Return the number of cores that affinity and the container's quota leave, at least 1.

    Threads beyond a quota do not run faster: they are paused together in the middle of a batch.

    Args:
        cgroup: Where control groups are mounted, of version 2 or 1.
    """
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, math.ceil(_quota(cgroup) or cores)))


def own_cores(cgroup: Path = _CGROUP) -> list[int]:
    """Return the numbers of the cores if all of them are this process's to use, else none.

    Under a quota of fewer cores than the process sees, nobody knows which ones its neighbours use;
    all of them would choose the first.
    """
    cores = sorted(os.sched_getaffinity(0))
    return cores if (_quota(cgroup) or math.inf) >= len(cores) else []


def _quota(cgroup: Path) -> float | None:
    """Return the processor time per time that the control group allows, None without a limit."""
    unified, single = cgroup / "cpu.max", cgroup / "cpu"
    try:
        if unified.exists():
            quota, period = map(int, unified.read_text().split())
        else:
            quota = int((single / "cpu.cfs_quota_us").read_text())
            period = int((single / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):  # no control group, or the quota is "max"
        return None
    return quota / period if quota > 0 else None  # version 1 says -1 for no limit
