"""The ONNX Runtime engine: `model.onnx` on the processor."""

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from app.inference.bundle import Bundle, BundleError
from app.inference.engine import Device, EngineError, EngineName, OutOfMemory

# What ONNX Runtime raises for a run that failed; none of them leaves the session unusable.
_RUN_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.RuntimeException,
    ort_state.NotImplemented,
)
_MEMORY_SIGNS = ("Failed to allocate memory", "bad_alloc", "BFCArena")


class OnnxRuntimeEngine:
    """Runs `model.onnx` on the processor.

    The session may be shared: with `threads=1` a run computes in the thread that calls it, so that
    several callers make several slots of one copy of the weights.

    Args:
        bundle: The bundle that holds the model.
        threads: Processor cores of one run.

    Raises:
        BundleError: The model is missing, cannot be loaded or does not fit the manifest.
    """

    name: EngineName = "onnxruntime"
    device: Device = "cpu"

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        if bundle.onnx_model is None:
            raise BundleError(f"Bundle '{bundle.path}': 'model.onnx' is missing.")
        self.threads = threads
        try:
            self._session = ort.InferenceSession(
                bundle.onnx_model, _session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises a dozen unrelated classes here
            reason = str(error).strip().splitlines()[0]
            raise BundleError(
                f"Bundle '{bundle.path}': 'model.onnx' cannot be loaded: {reason}"
            ) from error
        _check_signature(bundle, self._session)

    def infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run one batch; see `Engine.infer`."""
        try:
            (probability,) = self._session.run(["probability"], {"image": images})
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error
        except _RUN_ERRORS as error:
            if any(sign in str(error) for sign in _MEMORY_SIGNS):
                raise OutOfMemory(str(error)) from error
            raise EngineError(str(error)) from error
        result: NDArray[np.float32] = probability
        return result

    def close(self) -> None:
        """Free the session."""
        del self._session


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that spin between runs burn a core while the service is idle.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _check_signature(bundle: Bundle, session: ort.InferenceSession) -> None:
    height, width = bundle.manifest.input_height, bundle.manifest.input_width
    inputs = [(node.name, node.type, tuple(node.shape)) for node in session.get_inputs()]
    (name, kind, shape), *others = inputs
    batch, *rest = shape or (0,)
    fits = name == "image" and kind == "tensor(uint8)" and rest == [height, width, 3]
    if others or not fits or isinstance(batch, int):
        raise BundleError(
            f"Bundle '{bundle.path}': 'model.onnx' takes {_describe(inputs)}, "
            f"expected image tensor(uint8) [N, {height}, {width}, 3] with a free N."
        )
    outputs = [(node.name, node.type, tuple(node.shape)) for node in session.get_outputs()]
    for name, kind, shape in outputs:
        # Symbolic dimensions carry no size; what a run returns is checked while warming up.
        known = (None, height, width)
        agree = len(shape) == len(known) and all(
            not isinstance(size, int) or size == want
            for size, want in zip(shape, known, strict=True)
        )
        if name == "probability" and kind == "tensor(float)" and agree:
            return
    raise BundleError(
        f"Bundle '{bundle.path}': 'model.onnx' gives {_describe(outputs)}, "
        f"expected probability tensor(float) [N, {height}, {width}] with a free N."
    )


def _describe(nodes: list[tuple[str, str, tuple[object, ...]]]) -> str:
    return "; ".join(
        f"{name} {kind} [{', '.join(str(size) for size in shape)}]" for name, kind, shape in nodes
    )
