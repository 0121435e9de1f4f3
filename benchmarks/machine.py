"""What the figures were measured on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.environments import LOCKS

_LIBRARIES = ("fastapi", "uvicorn", "onnxruntime", "opencv-python-headless", "numpy", "tensorflow")
_PEERS = {
    "plain": "fastapi",
    "litserve": "litserve",
    "bentoml": "bentoml",
    "ray": "ray",
    "mlserver": "mlserver",
    "mosec": "mosec",
}


def describe() -> dict[str, object]:
    """Return the machine and the versions, as they stand in the report."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"Linux {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "peers": {package: _pinned(lock, package) for lock, package in _PEERS.items()},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _pinned(lock: str, package: str) -> str:
    for line in (LOCKS / f"{lock}.txt").read_text().splitlines():
        if line.startswith(f"{package}=="):
            return line.removeprefix(f"{package}==").split()[0]
    return "?"
