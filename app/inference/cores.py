"""How many processor cores this process may use."""

import math
import os
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available_cores(cgroup_limit: Path = _CGROUP_LIMIT) -> int:
    """Return the number of cores that affinity and the container's quota leave, at least 1.

    Threads beyond a quota do not run faster: they are paused together in the middle of a batch.

    Args:
        cgroup_limit: File with quota and period of control group v2.
    """
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cgroup_limit.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or the quota is "max"
        return cores
