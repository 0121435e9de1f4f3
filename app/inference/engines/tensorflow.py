"""The TensorFlow engine: the SavedModel, on a GPU with XLA or on the processor without."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.bundle import Bundle, BundleError
from app.inference.engine import Device, EngineError, EngineName, OutOfMemory


class NoTensorFlowGpu(Exception):  # noqa: N818
    """TensorFlow sees no GPU; the message is one line."""


class TensorFlowEngine:
    """Runs the SavedModel.

    TensorFlow is imported, and its threads and devices are set up, when the first engine is made.

    Args:
        bundle: The bundle that holds the model.
        device: Where to run. On a GPU, memory grows with need, and each batch size is compiled
            with XLA on its first run; on a processor XLA is slower and stays off.
        threads: Processor cores of one run; 0 means all.

    Raises:
        BundleError: The model is missing, cannot be loaded or does not fit the manifest.
        NoTensorFlowGpu: A GPU is wanted and TensorFlow sees none.
    """

    name: EngineName = "tensorflow"

    def __init__(self, bundle: Bundle, device: Device = "cpu", threads: int = 0) -> None:
        if bundle.saved_model is None:
            raise BundleError(f"Bundle '{bundle.path}': 'saved_model.pb' is missing.")
        self._tf = _import_tensorflow(device, threads)
        self.device: Device = device
        self.threads = threads
        self._loaded, signature = _load(self._tf, bundle.saved_model)
        _check_signature(self._tf, bundle, signature)
        self._run = self._tf.function(
            lambda image: signature(image=image)["probability"], jit_compile=device == "gpu"
        )
        self._place = "/GPU:0" if device == "gpu" else "/CPU:0"

    def infer(
        self,
        images: NDArray[np.uint8],
        *,
        alone: bool = True,  # noqa: ARG002 - its runs share one pool of threads by themselves
    ) -> NDArray[np.float32]:
        """Run one batch; see `Engine.infer`."""
        errors = self._tf.errors
        try:
            with self._tf.device(self._place):
                result: NDArray[np.float32] = self._run(self._tf.constant(images)).numpy()
        except (errors.ResourceExhaustedError, MemoryError) as error:
            raise OutOfMemory(_line(error)) from error
        except (errors.InternalError, errors.UnknownError, errors.AbortedError):
            raise  # a CUDA error is for ever: the engine is dead
        except (errors.OpError, TypeError, ValueError) as error:
            raise EngineError(_line(error)) from error
        return result

    def close(self) -> None:
        """Free the model."""
        del self._run, self._loaded


def _import_tensorflow(device: Device, threads: int) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if device == "gpu":
        _keep_programs()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise NoTensorFlowGpu("TensorFlow sees no GPU.")
    # TensorFlow that runs already keeps the devices and threads that its first user gave it.
    with contextlib.suppress(RuntimeError):
        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    return tf


def _keep_programs() -> None:
    """Have XLA keep compiled programs on disk: compiling them again takes a minute."""
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if "tf_xla_persistent_cache_directory" in flags:
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polypseg" / "xla"
    with contextlib.suppress(OSError):  # a read-only home: compile each time
        cache.mkdir(parents=True, exist_ok=True)
        os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={cache}".strip()


def _load(tf: Any, path: Path) -> tuple[Any, Any]:
    try:
        loaded = tf.saved_model.load(str(path))
        return loaded, loaded.signatures["serving_default"]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise BundleError(
            f"Bundle '{path}': the SavedModel cannot be loaded: {_line(error)}"
        ) from error


def _check_signature(tf: Any, bundle: Bundle, signature: Any) -> None:
    height, width = bundle.manifest.input_height, bundle.manifest.input_width
    wanted = {
        "image": (tf.uint8, [None, height, width, 3]),
        "probability": (tf.float32, [None, height, width]),
    }
    given = {**signature.structured_input_signature[1], **signature.structured_outputs}
    if given.keys() != wanted.keys():
        names = ", ".join(given)
        raise BundleError(
            f"Bundle '{bundle.path}': the SavedModel's signature names {names}, "
            f"expected image and probability."
        )
    for name, (dtype, shape) in wanted.items():
        spec = given[name]
        if spec.dtype != dtype or not spec.shape.is_compatible_with(shape):
            raise BundleError(
                f"Bundle '{bundle.path}': '{name}' of the SavedModel is "
                f"{spec.dtype.name} {spec.shape}, expected {dtype.name} {shape}."
            )


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
