"""The ONNX Runtime engine: `model.onnx` on the processor."""

import os
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from app.inference.bundle import ONNX_MODEL, Bundle, BundleError
from app.inference.engine import Device, EngineError, EngineName, OutOfMemory
from app.inference.threads import stay_on

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

    A run that is alone uses all threads, for the sake of its caller; one beside others computes in
    the thread that calls it, since dividing the work of a small network costs a third of the
    throughput. That takes two sessions: a session's number of threads is fixed.

    Where the process has its cores to itself, the threads that help are kept off the first one,
    which is for whoever runs alone. Woken on the core of the thread that waits for them, they would
    make a run longer instead of shorter.

    Args:
        bundle: The bundle that holds the model.
        threads: Processor cores of a run that is alone.
        cores: Those that the process has to itself; they count if they are as many as the threads.

    Raises:
        BundleError: The model is missing, cannot be loaded or does not fit the manifest.
    """

    name: EngineName = "onnxruntime"
    device: Device = "cpu"

    def __init__(self, bundle: Bundle, threads: int = 1, cores: Sequence[int] = ()) -> None:
        if bundle.onnx_model is None:
            raise BundleError(f"Bundle '{bundle.path}': 'model.onnx' is missing.")
        model = bundle.read(ONNX_MODEL)
        self.threads = threads
        placed = len(cores) == threads
        self._beside = _open_session(bundle, model, 1)
        self._session = self._beside
        if threads > 1:
            before = os.sched_getaffinity(0)
            stay_on(cores[1:] if placed else ())  # and so will the threads of the session
            try:
                self._session = _open_session(bundle, model, threads, placed=placed)
            finally:
                stay_on([*before])

    def infer(self, images: NDArray[np.uint8], *, alone: bool = True) -> NDArray[np.float32]:
        """Run one batch; see `Engine.infer`."""
        session = self._session if alone else self._beside
        try:
            (probability,) = session.run(["probability"], {"image": images})
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error
        except _RUN_ERRORS as error:
            if any(sign in str(error) for sign in _MEMORY_SIGNS):
                raise OutOfMemory(str(error)) from error
            raise EngineError(str(error)) from error
        result: NDArray[np.float32] = probability
        return result

    def close(self) -> None:
        """Free the sessions."""
        del self._session, self._beside


def _open_session(
    bundle: Bundle, model: bytes, threads: int, *, placed: bool = False
) -> ort.InferenceSession:
    try:
        session = ort.InferenceSession(
            model, _session_options(threads, placed=placed), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a dozen unrelated classes here
        reason = str(error).strip().splitlines()[0]
        raise BundleError(
            f"Bundle '{bundle.path}': 'model.onnx' cannot be loaded: {reason}"
        ) from error
    _check_signature(bundle, session)
    return session


def _session_options(threads: int, *, placed: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that have cores of their own may spin, so that none has to be woken for an operation;
    # but not between runs, where they would burn a core while the service is idle.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(placed)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _check_signature(bundle: Bundle, session: ort.InferenceSession) -> None:
    size = [bundle.manifest.input_height, bundle.manifest.input_width]
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not _is_image(inputs[0], size):
        raise BundleError(
            f"Bundle '{bundle.path}': 'model.onnx' takes {_describe(inputs)}, "
            f"expected image tensor(uint8) [N, {size[0]}, {size[1]}, 3] with a free N."
        )
    if not any(_is_probability(node, size) for node in outputs):
        raise BundleError(
            f"Bundle '{bundle.path}': 'model.onnx' gives {_describe(outputs)}, "
            f"expected probability tensor(float) [N, {size[0]}, {size[1]}] with a free N."
        )


def _is_image(node: ort.NodeArg, size: list[int]) -> bool:
    if (node.name, node.type, len(node.shape)) != ("image", "tensor(uint8)", 4):
        return False
    return not isinstance(node.shape[0], int) and node.shape[1:] == [*size, 3]


def _is_probability(node: ort.NodeArg, size: list[int]) -> bool:
    if (node.name, node.type, len(node.shape)) != ("probability", "tensor(float)", 3):
        return False
    # A symbolic dimension tells no size; what a run returns is checked while warming up.
    return not isinstance(node.shape[0], int) and all(
        given == wanted or not isinstance(given, int)
        for given, wanted in zip(node.shape[1:], size, strict=True)
    )


def _describe(nodes: list[ort.NodeArg]) -> str:
    described = (f"{node.name} {node.type} [{', '.join(map(str, node.shape))}]" for node in nodes)
    return "; ".join(described) or "nothing"
