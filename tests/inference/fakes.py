"""An engine without a model: the answer of an image is its red channel, as a fraction."""

import threading

import numpy as np
from numpy.typing import NDArray

from app.inference.engine import Device, EngineName


def red(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what `RedEngine` must answer."""
    return images[..., 0].astype(np.float32) / np.float32(255)


class RedEngine:
    """Runs for real, in whatever thread calls; a test can hold it, or make it fail.

    Attributes:
        free: Runs wait while this is not set.
        errors: Raised one by one, by the next runs.
        sizes: Batch sizes of the runs so far.
        peak: The most runs that were under way at once.
        alone: What each run was told of others.
    """

    name: EngineName = "onnxruntime"

    def __init__(self, device: Device = "cpu") -> None:
        self.device: Device = device
        self.threads = 1
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Semaphore(0)
        self.errors: list[Exception] = []
        self.sizes: list[int] = []
        self.alone: list[bool] = []
        self.peak = self._running = 0
        self.closed = False
        self._lock = threading.Lock()

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        with self._lock:
            self.sizes.append(len(images))
            self.alone.append(alone)
            self._running += 1
            self.peak = max(self.peak, self._running)
            error = self.errors.pop(0) if self.errors else None
        self.entered.release()
        self.free.wait()
        with self._lock:
            self._running -= 1
        if error:
            raise error
        return red(images)

    def close(self) -> None:
        self.closed = True
