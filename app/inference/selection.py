"""Which engine runs the model, on which device, and why."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, NamedTuple

from app.inference.bundle import Bundle
from app.inference.devices import NoGpu, find_gpu
from app.inference.engine import Device, Engine, EngineName

EngineChoice = Literal["auto", "onnxruntime", "tensorflow"]
DeviceChoice = Literal["auto", "cpu", "gpu"]


class SelectionError(Exception):
    """The engine or the device that is asked for cannot be had; the message is one line."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that should work, and the reason for it, in one line.

    Attributes:
        engine: The library.
        device: The device.
        reason: Why, for the log and for `/health`.
        fallback: What to take when TensorFlow does not see the GPU that the driver reports.
    """

    engine: EngineName
    device: Device
    reason: str
    fallback: "Choice | None" = None


class Selection(NamedTuple):
    """A loaded engine and why it was chosen."""

    engine: Engine
    reason: str


def choose_engine(
    bundle: Bundle, engine: EngineChoice = "auto", device: DeviceChoice = "auto"
) -> Choice:
    """Choose by rule, without importing either library.

    A GPU wins, through TensorFlow; else ONNX Runtime, if the export measured that it agrees with
    TensorFlow.

    Args:
        bundle: What is to be run.
        engine: The wish, or `auto`.
        device: The wish, or `auto`.

    Raises:
        SelectionError: The wish cannot be granted.
    """
    if device == "gpu" and engine == "onnxruntime":
        raise SelectionError(
            "Device 'gpu' and engine 'onnxruntime' do not go together: expected engine "
            "'tensorflow' or 'auto', or device 'cpu'."
        )
    if device == "cpu":
        return _choose_on_cpu(bundle, engine, "device 'cpu' is asked for")
    if engine == "onnxruntime":
        return _choose_on_cpu(bundle, engine, "engine 'onnxruntime' is asked for")
    try:
        gpu = find_gpu()
    except NoGpu as error:
        if device == "gpu":
            raise SelectionError(f"Device 'gpu' is asked for and there is none: {error}") from error
        return _choose_on_cpu(bundle, engine, str(error).removesuffix("."))
    found = f"{gpu.name}, driver {gpu.driver}"
    if fault := _tensorflow_fault(bundle):
        if device == "gpu" or engine == "tensorflow":
            raise SelectionError(f"Engine 'tensorflow' is needed for {found}: {fault}")
        return _choose_on_cpu(bundle, engine, f"{found} is there, but {fault.removesuffix('.')}")
    fallback = None
    if device == "auto":
        fallback = _choose_on_cpu(
            bundle, engine, f"TensorFlow sees no GPU although the driver reports {found}"
        )
    return Choice("tensorflow", "gpu", f"tensorflow on {found}", fallback)


def load_engine(bundle: Bundle, choice: Choice, threads: int | None = None) -> Selection:
    """Load the engine that was chosen, or its fallback.

    Args:
        bundle: What to load.
        choice: What `choose_engine` returned.
        threads: Processor cores of one run; None means all that this process may use.

    Raises:
        BundleError: The model cannot be loaded or does not fit the manifest.
        SelectionError: TensorFlow sees no GPU and the choice has no fallback.
    """
    from app.inference.cores import available_cores, own_cores

    threads = threads or available_cores()
    if choice.engine == "onnxruntime":
        from app.inference.engines.onnxruntime import OnnxRuntimeEngine

        return Selection(OnnxRuntimeEngine(bundle, threads, own_cores()), choice.reason)
    from app.inference.engines.tensorflow import NoTensorFlowGpu, TensorFlowEngine

    try:
        return Selection(TensorFlowEngine(bundle, choice.device, threads), choice.reason)
    except NoTensorFlowGpu as error:
        if choice.fallback is None:
            raise SelectionError(f"Device 'gpu' is asked for and there is none: {error}") from error
        return load_engine(bundle, choice.fallback, threads)


def select_engine(
    bundle: Bundle,
    engine: EngineChoice = "auto",
    device: DeviceChoice = "auto",
    *,
    threads: int | None = None,
) -> Selection:
    """Choose and load an engine.

    Args:
        bundle: What is to be run.
        engine: The wish, or `auto`.
        device: The wish, or `auto`.
        threads: Processor cores of one run; None means all that this process may use.

    Returns:
        The loaded engine and the reason, in one line.

    Raises:
        SelectionError: The wish cannot be granted.
        BundleError: The model cannot be loaded or does not fit the manifest.
    """
    return load_engine(bundle, choose_engine(bundle, engine, device), threads)


def _choose_on_cpu(bundle: Bundle, engine: EngineChoice, why: str) -> Choice:
    if engine == "tensorflow":
        if fault := _tensorflow_fault(bundle):
            raise SelectionError(f"Engine 'tensorflow' cannot be had: {fault}")
        return Choice("tensorflow", "cpu", f"tensorflow on the processor: {why}")
    fault = _onnxruntime_fault(bundle, trusted=engine == "onnxruntime")
    if fault is None:
        return Choice("onnxruntime", "cpu", f"onnxruntime on the processor: {why}")
    if engine == "onnxruntime":
        raise SelectionError(f"Engine 'onnxruntime' cannot be had: {fault}")
    if other := _tensorflow_fault(bundle):
        raise SelectionError(f"No engine can be had: {fault} {other}")
    return Choice(
        "tensorflow", "cpu", f"tensorflow on the processor: {why}; {fault.removesuffix('.')}"
    )


def _onnxruntime_fault(bundle: Bundle, *, trusted: bool) -> str | None:
    """Say why ONNX Runtime may not run the bundle; a user who names it trusts it without parity."""
    if bundle.onnx_model is None:
        return "the bundle holds no 'model.onnx'."
    if trusted or bundle.saved_model is None:
        return None
    parity = bundle.manifest.parity_on("cpu")
    if parity is None:
        return "no parity between 'model.onnx' and the SavedModel was measured."
    if not parity.within_bounds:
        return (
            f"'model.onnx' differs from the SavedModel by {parity.max_abs_difference:.1e} "
            f"in probability and {parity.mask_disagreement:.1e} of the pixels."
        )
    return None


def _tensorflow_fault(bundle: Bundle) -> str | None:
    if bundle.saved_model is None:
        return "the bundle holds no SavedModel."
    if find_spec("tensorflow") is None:
        return (
            "TensorFlow is not installed: run requirements/install tensorflow, "
            "or requirements/install gpu beside an NVIDIA driver."
        )
    return None
