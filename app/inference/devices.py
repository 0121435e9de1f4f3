"""Is there a GPU? Asked of NVIDIA's management library, without importing TensorFlow."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass

_LIBRARY = "libnvidia-ml.so.1"  # part of the driver; the container toolkit mounts it
_NAME_BYTES = 96


@dataclass(frozen=True, slots=True)
class Gpu:
    """The first GPU that the driver reports.

    Attributes:
        name: Product name.
        driver: Version of the driver.
    """

    name: str
    driver: str


class NoGpu(Exception):  # noqa: N818
    """There is no usable GPU; the message is one line that says why."""


def find_gpu(load: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> Gpu:
    """Return the first GPU that the driver reports and this process may use.

    Args:
        load: Opens a shared library by name.

    Raises:
        NoGpu: No driver, no device, or `CUDA_VISIBLE_DEVICES` hides them all.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.split(",")[0].strip() in ("", "-1", "NoDevFiles"):
        raise NoGpu(f"CUDA_VISIBLE_DEVICES has value '{visible}', which hides every GPU.")
    try:
        nvml = load(_LIBRARY)
    except OSError as error:
        raise NoGpu(f"No NVIDIA driver is installed ({_LIBRARY} cannot be loaded).") from error
    if code := nvml.nvmlInit_v2():
        raise NoGpu(f"The NVIDIA driver does not answer (nvmlInit gives {code}).")
    try:
        return _first_gpu(nvml)
    finally:
        nvml.nvmlShutdown()


def _first_gpu(nvml: ctypes.CDLL) -> Gpu:
    count = ctypes.c_uint()
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) or not count.value:
        raise NoGpu("The NVIDIA driver reports no GPU.")
    device = ctypes.c_void_p()
    if code := nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
        raise NoGpu(f"The NVIDIA driver cannot open the first GPU (code {code}).")
    name = ctypes.create_string_buffer(_NAME_BYTES)
    driver = ctypes.create_string_buffer(_NAME_BYTES)
    nvml.nvmlDeviceGetName(device, name, _NAME_BYTES)
    nvml.nvmlSystemGetDriverVersion(driver, _NAME_BYTES)
    return Gpu(name.value.decode(), driver.value.decode())
