"""NVIDIA management libraries that are not there."""

# ruff: noqa: N802 - the names are NVIDIA's

import ctypes
from collections.abc import Callable
from typing import Any, cast


class Driver:
    """Answers as libnvidia-ml does, by return code and through pointers."""

    def __init__(self, *, gpus: int = 1, init: int = 0, count: int = 0, handle: int = 0) -> None:
        self.gpus = gpus
        self.codes = {"init": init, "count": count, "handle": handle}
        self.open = 0

    def nvmlInit_v2(self) -> int:
        self.open += not self.codes["init"]
        return self.codes["init"]

    def nvmlShutdown(self) -> int:
        self.open -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = self.gpus
        return self.codes["count"]

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:
        device._obj.value = 0xBEEF + index
        return self.codes["handle"]

    def nvmlDeviceGetName(self, device: Any, name: Any, size: int) -> int:
        assert device.value == 0xBEEF
        name.value = b"NVIDIA Phantom 100"[: size - 1]
        return 0

    def nvmlSystemGetDriverVersion(self, version: Any, size: int) -> int:
        version.value = b"570.1"[: size - 1]
        return 0


def loader(driver: Driver) -> Callable[[str], ctypes.CDLL]:
    """Return what stands in for `ctypes.CDLL`."""

    def load(name: str) -> ctypes.CDLL:
        assert name == "libnvidia-ml.so.1"
        return cast(ctypes.CDLL, driver)

    return load
