"""What every server does with a picture, so that servers are compared and nothing else.

Round A: our decoding, our engine, our PNG. Round B: what somebody writes who follows the tutorial:
OpenCV, TensorFlow, OpenCV. Peers run in environments of their own, where this is imported from the
repository; the settings come from the environment, since each of them starts its own processes.
"""

import os
from pathlib import Path
from typing import Protocol

BUNDLE = Path(os.environ.get("BENCH_BUNDLE", "models/polyp-unet/1"))
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
PORT = int(os.environ.get("BENCH_PORT", "8000"))
# No default: a peer must not have another limit than the service unnoticed.
PATIENCE_S = float(os.environ["BENCH_PATIENCE_S"])


class Work(Protocol):
    """From the bytes of a picture to the bytes of its mask."""

    def __call__(self, data: bytes) -> bytes:
        """Return the mask of a picture as a PNG at the picture's size."""
        ...


class Ours:
    """The functions that `polypseg serve` calls."""

    def __init__(self) -> None:
        from app.inference import load_bundle
        from app.inference.engines.onnxruntime import OnnxRuntimeEngine

        self._bundle = load_bundle(BUNDLE.parent, BUNDLE.name)
        self._engine = OnnxRuntimeEngine(self._bundle, THREADS)
        height = self._bundle.manifest.input_height
        width = self._bundle.manifest.input_width
        self._warm(height, width)

    def __call__(self, data: bytes) -> bytes:
        """Return the mask of a picture."""
        from app.imaging import render_png, segment
        from app.inference.pipeline import predict_image

        manifest = self._bundle.manifest
        _, probability = predict_image(self._engine, manifest, data)
        return render_png(segment(probability, manifest.threshold, min_area=manifest.min_area).mask)

    def _warm(self, height: int, width: int) -> None:
        import numpy as np

        for _ in range(3):
            self._engine.infer(np.zeros((1, height, width, 3), np.uint8))


class Tutorial:
    """What is in the tutorial's notebook, behind a route."""

    def __init__(self) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        if THREADS:
            tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        self._tf = tf
        self._loaded = tf.saved_model.load(str(BUNDLE))
        self._model = self._loaded.signatures["serving_default"]
        _, self._height, self._width, _ = self._model.structured_input_signature[1]["image"].shape
        self._model(image=tf.zeros((1, self._height, self._width, 3), tf.uint8))

    def __call__(self, data: bytes) -> bytes:
        """Return the mask of a picture."""
        import cv2
        import numpy as np

        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError("This is no image.")
        height, width = image.shape[:2]
        small = cv2.resize(image, (self._width, self._height))
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        batch = self._tf.constant(np.expand_dims(small, 0))
        prediction = self._model(image=batch)["probability"][0].numpy()
        mask = cv2.resize((prediction > 0.5).astype(np.uint8) * 255, (width, height))
        _, encoded = cv2.imencode(".png", mask)
        return bytes(encoded)


def load() -> Work:
    """Load what this round is about."""
    return Tutorial() if os.environ.get("BENCH_ROUND") == "b" else Ours()
