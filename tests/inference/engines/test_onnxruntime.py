"""The ONNX Runtime engine against the tiny model's formula, and against models that do not fit."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from app.inference import (
    Bundle,
    BundleError,
    EngineError,
    Manifest,
    OutOfMemory,
    hash_files,
    load_bundle,
)
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from tests.bundles import tiny_onnx, tiny_probability, write_tiny_bundle


def noise(count: int, height: int = 64, width: int = 64) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_answers_follow_the_formula(tiny: Bundle, threads: int, count: int) -> None:
    engine = OnnxRuntimeEngine(tiny, threads)
    images = noise(count)
    probability = engine.infer(images)
    assert probability.dtype == np.float32
    assert probability.shape == (count, 64, 64)
    np.testing.assert_allclose(probability, tiny_probability(images), atol=1e-6)
    assert (engine.name, engine.device, engine.threads) == ("onnxruntime", "cpu", threads)


def test_height_and_width_are_not_confused(root: Path) -> None:
    write_tiny_bundle(root, height=24, width=40)
    images = noise(2, 24, 40)
    engine = OnnxRuntimeEngine(load_bundle(root))
    np.testing.assert_allclose(engine.infer(images), tiny_probability(images), atol=1e-6)


def test_one_session_serves_many_threads(tiny: Bundle) -> None:
    engine = OnnxRuntimeEngine(tiny, threads=1)
    start = threading.Barrier(4)

    def work(number: int) -> bool:
        images = noise(number + 1)
        expected = tiny_probability(images)
        start.wait()
        return all(np.allclose(engine.infer(images), expected, atol=1e-6) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_a_run_beside_another_computes_in_its_own_thread(tiny: Bundle) -> None:
    engine = OnnxRuntimeEngine(tiny, threads=2)
    beside = engine._beside
    assert engine._session.get_session_options().intra_op_num_threads == 2
    assert beside.get_session_options().intra_op_num_threads == 1
    images = noise(1)
    np.testing.assert_array_equal(engine.infer(images, alone=False), engine.infer(images))
    del engine._beside
    np.testing.assert_allclose(engine.infer(images), tiny_probability(images), atol=1e-6)
    engine._beside = beside
    del engine._session
    answer = engine.infer(images, alone=False)
    np.testing.assert_allclose(answer, tiny_probability(images), atol=1e-6)


needs_two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="this process may use one core only"
)


def cores_of_threads() -> dict[int, set[int]]:
    """The cores that each thread of this process may use."""
    return {
        int(task.name): set(os.sched_getaffinity(int(task.name)))
        for task in Path("/proc/self/task").iterdir()
    }


@needs_two_cores
def test_threads_that_help_stay_off_the_first_core(tiny: Bundle) -> None:
    ours = sorted(os.sched_getaffinity(0))
    before = cores_of_threads()
    engine = OnnxRuntimeEngine(tiny, len(ours), ours)
    started = {task: cores for task, cores in cores_of_threads().items() if task not in before}
    assert len(started) == len(ours) - 1
    assert all(cores == set(ours[1:]) for cores in started.values())
    assert sorted(os.sched_getaffinity(0)) == ours  # of who has made it
    np.testing.assert_allclose(engine.infer(noise(1)), tiny_probability(noise(1)), atol=1e-6)


def test_batch_of_another_size_is_an_error_that_the_engine_survives(tiny: Bundle) -> None:
    engine = OnnxRuntimeEngine(tiny)
    with pytest.raises(EngineError, match="image"):
        engine.infer(noise(1, 32, 32))
    assert engine.infer(noise(1)).shape == (1, 64, 64)


class Failing:
    """A session that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("std::bad_alloc"), OutOfMemory),
        (ort_state.RuntimeException("Failed to allocate memory for requested buffer"), OutOfMemory),
        (ort_state.Fail("std::bad_alloc"), OutOfMemory),
        (ort_state.RuntimeException("Non-zero status code"), EngineError),
        (ort_state.Fail("no"), EngineError),
        (ort_state.EPFail("no"), ort_state.EPFail),
        (RuntimeError("what?"), RuntimeError),
    ],
)
def test_errors_are_told_apart(tiny: Bundle, error: Exception, kind: type[Exception]) -> None:
    engine = OnnxRuntimeEngine(tiny)
    engine._session = Failing(error)
    with pytest.raises(kind) as caught:
        engine.infer(noise(1))
    assert type(caught.value) is kind


def test_close_frees_the_session(tiny: Bundle) -> None:
    engine = OnnxRuntimeEngine(tiny)
    engine.close()
    with pytest.raises(AttributeError):
        engine.infer(noise(1))


def _retype(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.node[0].attribute[0].i = TensorProto.FLOAT


def _rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "picture"


def _rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = model.graph.node[-1].output[0] = "mask"


def _fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def _second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _no_input(model: onnx.ModelProto) -> None:
    image = helper.make_tensor(
        "image", TensorProto.UINT8, [1, 64, 64, 3], bytes(64 * 64 * 3), raw=True
    )
    model.graph.initializer.append(image)
    del model.graph.input[0]


def _keep_channel(model: onnx.ModelProto) -> None:
    del model.graph.node[2]
    model.graph.node[2].input[0] = "weighed"
    model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 1


def _double_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "single"
    model.graph.node.append(
        helper.make_node("Cast", ["single"], ["probability"], to=TensorProto.DOUBLE)
    )
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_retype, "takes image tensor(float) [N, 64, 64, 3], expected image tensor(uint8)"),
        (_rename_input, "takes picture tensor(uint8)"),
        (_fix_batch, "takes image tensor(uint8) [1, 64, 64, 3], expected"),
        (_second_input, "takes image tensor(uint8) [N, 64, 64, 3]; more tensor(float) [1]"),
        (_no_input, "takes nothing"),
        (_rename_output, "gives mask tensor(float) [N, 64, 64], expected probability"),
        (_keep_channel, "gives probability tensor(float) [N, 64, 64, 1], expected"),
        (_double_output, "gives probability tensor(double)"),
    ],
)
def test_signature_that_does_not_fit_is_refused(
    root: Path, spoil: Callable[[onnx.ModelProto], None], named: str
) -> None:
    refuse(root, spoil, named)


def test_model_of_another_size_than_the_manifest_says_is_refused(root: Path) -> None:
    def halve(model: onnx.ModelProto) -> None:
        model.CopyFrom(tiny_onnx(32, 64))

    refuse(
        root, halve, "takes image tensor(uint8) [N, 32, 64, 3], expected image tensor(uint8) [N, 64"
    )


def refuse(root: Path, spoil: Callable[[onnx.ModelProto], None], named: str) -> None:
    path = write_tiny_bundle(root)
    model = onnx.load(path / "model.onnx")
    spoil(model)
    onnx.save(model, path / "model.onnx")
    bundle = vouch(path)
    with pytest.raises(BundleError) as caught:
        OnnxRuntimeEngine(bundle)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def vouch(path: Path) -> Bundle:
    """Write a manifest whose hashes fit whatever is there."""
    bundle = Bundle(path, load_manifest(path), "")
    manifest = bundle.manifest.model_copy(update={"files": hash_files(path)})
    (path / "manifest.json").write_text(manifest.model_dump_json())
    return load_bundle(path.parent)


def load_manifest(path: Path) -> Manifest:
    return Manifest.model_validate_json((path / "manifest.json").read_text())


def test_symbolic_output_shape_is_accepted(root: Path) -> None:
    path = write_tiny_bundle(root)
    model = onnx.load(path / "model.onnx")
    for dimension in model.graph.output[0].type.tensor_type.shape.dim:
        dimension.dim_param = "unknown"
    onnx.save(model, path / "model.onnx")
    assert OnnxRuntimeEngine(vouch(path)).infer(noise(1)).shape == (1, 64, 64)


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_file_that_is_no_model_is_refused_in_one_line(root: Path, content: bytes) -> None:
    path = write_tiny_bundle(root)
    (path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"'model.onnx' cannot be loaded: \S[^\n]*\Z"):
        OnnxRuntimeEngine(vouch(path))


def test_bundle_without_onnx_model_is_refused(root: Path) -> None:
    path = write_tiny_bundle(root, onnx_model=False)
    with pytest.raises(BundleError, match=r"'model.onnx' is missing"):
        OnnxRuntimeEngine(Bundle(path, load_manifest(path), ""))
