"""Which engine is chosen, by bundle, wish and machine."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.inference import (
    Bundle,
    Choice,
    Parity,
    SelectionError,
    choose_engine,
    load_engine,
    select_engine,
)
from app.inference import selection as selection_module
from app.inference.bundle import ONNX_MODEL, SAVED_MODEL
from app.inference.devices import Gpu, NoGpu
from app.inference.engines import tensorflow as tensorflow_module

GOOD = (Parity(frames=9, max_abs_difference=1e-5, mask_disagreement=0),)
BAD = (Parity(frames=9, max_abs_difference=1e-2, mask_disagreement=0.01),)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says what the machine has."""

    def have(*, gpu: bool, tensorflow: bool) -> None:
        def find() -> Gpu:
            if gpu:
                return Gpu("Phantom", "1.0")
            raise NoGpu("No driver.")

        monkeypatch.setattr(selection_module, "find_gpu", find)
        monkeypatch.setattr(
            selection_module, "find_spec", lambda _: object() if tensorflow else None
        )

    return have


def variant(
    tiny: Bundle, *, onnx: bool = True, saved: bool = True, parity: tuple[Parity, ...] = GOOD
) -> Bundle:
    """Return a bundle that claims to hold these models."""
    files = {ONNX_MODEL: "0" * 64} if onnx else {}
    files |= {SAVED_MODEL: "0" * 64} if saved else {}
    manifest = tiny.manifest.model_copy(update={"files": files, "parity": parity})
    return Bundle(tiny.path, manifest, tiny.sha256)


@pytest.mark.parametrize(
    ("gpu", "tensorflow", "claims", "wish", "chosen"),
    [
        # A GPU wins; else ONNX Runtime
        (True, True, {}, {}, "tensorflow gpu"),
        (False, True, {}, {}, "onnxruntime cpu"),
        (False, False, {}, {}, "onnxruntime cpu"),
        (True, False, {}, {}, "onnxruntime cpu"),
        # ... if it is known to agree
        (False, True, {"parity": BAD}, {}, "tensorflow cpu"),
        (False, True, {"parity": ()}, {}, "tensorflow cpu"),
        (False, False, {"parity": (), "saved": False}, {}, "onnxruntime cpu"),
        # What the bundle holds
        (True, True, {"saved": False}, {}, "onnxruntime cpu"),
        (False, True, {"onnx": False}, {}, "tensorflow cpu"),
        (True, True, {"onnx": False}, {}, "tensorflow gpu"),
        # Wishes
        (True, True, {}, {"device": "cpu"}, "onnxruntime cpu"),
        (True, True, {}, {"engine": "onnxruntime"}, "onnxruntime cpu"),
        (False, True, {"parity": BAD}, {"engine": "onnxruntime"}, "onnxruntime cpu"),
        (True, True, {}, {"engine": "tensorflow"}, "tensorflow gpu"),
        (False, True, {}, {"engine": "tensorflow"}, "tensorflow cpu"),
        (True, True, {}, {"engine": "tensorflow", "device": "cpu"}, "tensorflow cpu"),
        (True, True, {}, {"device": "gpu"}, "tensorflow gpu"),
        (True, True, {}, {"engine": "tensorflow", "device": "gpu"}, "tensorflow gpu"),
    ],
)
def test_choice(
    tiny: Bundle,
    machine: Any,
    gpu: bool,
    tensorflow: bool,
    claims: dict[str, Any],
    wish: dict[str, Any],
    chosen: str,
) -> None:
    machine(gpu=gpu, tensorflow=tensorflow)
    choice = choose_engine(variant(tiny, **claims), **wish)
    assert f"{choice.engine} {choice.device}" == chosen
    assert choice.reason.startswith(choice.engine)
    assert "\n" not in choice.reason


@pytest.mark.parametrize(
    ("gpu", "tensorflow", "claims", "wish", "reason"),
    [
        (False, True, {}, {"device": "gpu"}, "'gpu' is asked for and there is none: No driver."),
        (True, False, {}, {"device": "gpu"}, "TensorFlow is not installed"),
        (True, True, {"saved": False}, {"device": "gpu"}, "holds no SavedModel"),
        (True, True, {}, {"device": "gpu", "engine": "onnxruntime"}, "do not go together"),
        (False, False, {}, {"engine": "tensorflow"}, "TensorFlow is not installed"),
        (True, False, {}, {"engine": "tensorflow"}, "TensorFlow is not installed"),
        (False, True, {"saved": False}, {"engine": "tensorflow"}, "holds no SavedModel"),
        (False, True, {"onnx": False}, {"engine": "onnxruntime"}, "holds no 'model.onnx'"),
        (False, False, {"parity": BAD}, {}, "differs from the SavedModel by 1.0e-02"),
        (False, False, {"parity": ()}, {}, "no parity"),
        (False, False, {"onnx": False}, {}, "TensorFlow is not installed"),
    ],
)
def test_wish_that_cannot_be_granted_is_one_line(
    tiny: Bundle,
    machine: Any,
    gpu: bool,
    tensorflow: bool,
    claims: dict[str, Any],
    wish: dict[str, Any],
    reason: str,
) -> None:
    machine(gpu=gpu, tensorflow=tensorflow)
    with pytest.raises(SelectionError) as caught:
        choose_engine(variant(tiny, **claims), **wish)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reason_says_why_a_gpu_is_left_alone(tiny: Bundle, machine: Any) -> None:
    machine(gpu=True, tensorflow=False)
    reason = choose_engine(variant(tiny)).reason
    assert "Phantom, driver 1.0 is there, but TensorFlow is not installed" in reason


def test_engine_is_loaded_with_the_threads_that_are_asked_for(tiny: Bundle) -> None:
    engine, reason = select_engine(tiny, device="cpu", threads=1)
    assert (engine.name, engine.device, engine.threads) == ("onnxruntime", "cpu", 1)
    assert reason == "onnxruntime on the processor: device 'cpu' is asked for"


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow sees no GPU."""

    class Blind:
        def __init__(self, *_: object) -> None:
            raise tensorflow_module.NoTensorFlowGpu("TensorFlow sees no GPU.")

    monkeypatch.setattr(tensorflow_module, "TensorFlowEngine", Blind)


@pytest.mark.usefixtures("blind")
def test_onnxruntime_takes_over_when_tensorflow_does_not_see_the_gpu(
    tiny: Bundle, machine: Any
) -> None:
    machine(gpu=True, tensorflow=True)
    choice = choose_engine(variant(tiny))
    assert choice.engine == "tensorflow"
    engine, reason = load_engine(tiny, choice)
    assert engine.name == "onnxruntime"
    assert "TensorFlow sees no GPU although the driver reports Phantom" in reason


@pytest.mark.usefixtures("blind")
def test_gpu_that_is_asked_for_and_not_seen_is_an_error(tiny: Bundle, machine: Any) -> None:
    machine(gpu=True, tensorflow=True)
    choice = choose_engine(variant(tiny), device="gpu")
    with pytest.raises(SelectionError, match="'gpu' is asked for and there is none: TensorFlow"):
        load_engine(tiny, choice)


def test_bundle_that_only_a_gpu_can_run_has_no_fallback(tiny: Bundle, machine: Any) -> None:
    machine(gpu=True, tensorflow=True)
    choice = choose_engine(variant(tiny, onnx=False))
    assert choice.fallback == Choice(
        "tensorflow", "cpu", choice.fallback.reason if choice.fallback else ""
    )


def test_tensorflow_is_not_imported_for_onnxruntime(tiny: Bundle) -> None:
    code = f"""
import sys
from pathlib import Path
from app.inference import load_bundle, select_engine
engine, _ = select_engine(load_bundle(Path({str(tiny.path.parent)!r})), device="cpu")
assert engine.name == "onnxruntime"
assert not any(name.partition(".")[0] in ("tensorflow", "keras", "onnx") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_choosing_imports_neither_library(tiny: Bundle) -> None:
    code = f"""
import sys
from pathlib import Path
from app.inference import choose_engine, load_bundle
choose_engine(load_bundle(Path({str(tiny.path.parent)!r})))
assert not {{"tensorflow", "onnxruntime"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert Path(tiny.path).is_dir()
