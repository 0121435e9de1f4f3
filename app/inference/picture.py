"""A picture on its way through the model: encoded, as the model takes it, answered."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.imaging import Field, Header
from app.inference.bundle import Manifest
from app.inference.errors import CallerLeft, DeadlineExceeded
from app.inference.pipeline import look
from app.inference.prediction import Prediction
from app.inference.runner import Inferred

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Finished(Generic[Result]):
    """What is left of an image once it is answered; its pixels stay with the thread that had them.

    Attributes:
        header: Header of the image.
        timings_ms: Milliseconds of `decode` (with resize), `queue`, `infer` and `encode`.
        result: What was made of the prediction.
    """

    header: Header
    timings_ms: dict[str, float]
    result: Result


@dataclass(slots=True, eq=False)
class Picture(Generic[Result]):
    """One image, from the bytes that came to those that go.

    Attributes:
        data: The encoded image.
        manifest: What the model takes, and how its answer is read.
        render: Turns the prediction into the answer.
        threshold: The mask is probability >= threshold.
        max_pixels: Images with more pixels are refused.
        came: When it came, on the clock of `time.perf_counter`.
        until: Nothing is begun for it from then on, on the clock of `time.monotonic`.
        left: Whether its caller has left; nothing is begun for it any more.
    """

    data: bytes
    manifest: Manifest
    render: Callable[[Prediction], Result]
    threshold: float
    max_pixels: int | None = None
    came: float = field(default_factory=time.perf_counter)
    until: float = math.inf
    left: bool = False
    _header: Header = field(init=False)
    _field: Field = field(init=False)
    _pixels: NDArray[np.uint8] | None = field(init=False, default=None)
    _decoding: float = field(init=False)

    def prepare(self) -> NDArray[np.uint8]:
        """Decode, crop and resize, once; return the input of the model, uint8 `[h, w, 3]`.

        Raises:
            ImageError: The image cannot be decoded or is refused.
            CallerLeft: Nobody waits for it.
            DeadlineExceeded: Nobody waits for it any more.
        """
        self._check()
        if self._pixels is None:
            began = time.perf_counter()
            view = look(self.data, self.manifest, max_pixels=self.max_pixels)
            self._header, self._field, self._pixels = view.header, view.field, view.pixels
            self._decoding = time.perf_counter() - began
            self._check()
        return self._pixels

    def finish(self, inferred: Inferred) -> Finished[Result]:
        """Turn what the engine says of the prepared image into the answer.

        Raises:
            CallerLeft: Nobody waits for it.
            Exception: Whatever `render` raises.
        """
        self._check_caller()
        began = time.perf_counter()
        self._pixels = None
        prediction = Prediction(
            header=self._header,
            data=self.data,
            small=inferred.probability,
            view=self._field,
            threshold=self.threshold,
            min_area=self.manifest.min_area,
            timings_ms={
                "decode": self._decoding * 1000,
                "queue": max(0.0, began - self.came - self._decoding - inferred.seconds) * 1000,
                "infer": inferred.seconds * 1000,
            },
        )
        result = self.render(prediction)
        prediction.timings_ms["encode"] = (time.perf_counter() - began) * 1000
        return Finished(prediction.header, prediction.timings_ms, result)

    def _check(self) -> None:
        self._check_caller()
        if time.monotonic() >= self.until:
            raise DeadlineExceeded("The deadline passed in the queue.")

    def _check_caller(self) -> None:
        if self.left:
            raise CallerLeft
