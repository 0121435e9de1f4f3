"""The TensorFlow engine against the tiny model's formula and against ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference import Bundle, BundleError, EngineError, Manifest, OutOfMemory, load_bundle
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from app.inference.engines.tensorflow import NoTensorFlowGpu, TensorFlowEngine, _keep_programs
from tests.bundles import tiny_probability, write_tiny_bundle

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with both models. Do not write into it."""
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root, saved_model=True, height=48, width=64)
    return load_bundle(root)


@pytest.fixture(scope="module")
def engine(both: Bundle) -> TensorFlowEngine:
    return TensorFlowEngine(both)


def noise(count: int, height: int = 48, width: int = 64) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_answers_follow_the_formula_and_agree_with_onnxruntime(
    both: Bundle, engine: TensorFlowEngine, count: int
) -> None:
    images = noise(count)
    probability = engine.infer(images)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability, tiny_probability(images), atol=1e-6)
    np.testing.assert_allclose(probability, OnnxRuntimeEngine(both).infer(images), atol=1e-6)
    assert (engine.name, engine.device) == ("tensorflow", "cpu")


def test_xla_stays_off_on_a_processor(engine: TensorFlowEngine) -> None:
    assert engine._run._jit_compile is False


def test_image_of_another_size_is_an_error_that_the_engine_survives(
    engine: TensorFlowEngine,
) -> None:
    with pytest.raises(EngineError):
        engine.infer(noise(1, 32, 32))
    assert engine.infer(noise(1)).shape == (1, 48, 64)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (tf.errors.InvalidArgumentError(None, None, "shape\nmore"), EngineError),
        (ValueError("shape"), EngineError),
        (tf.errors.InternalError(None, None, "CUDA_ERROR"), tf.errors.InternalError),
        (tf.errors.AbortedError(None, None, "CUDA_ERROR"), tf.errors.AbortedError),
    ],
)
def test_errors_are_told_apart(
    engine: TensorFlowEngine,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[Exception],
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(engine, "_run", fail)
    with pytest.raises(kind) as caught:
        engine.infer(noise(1))
    assert type(caught.value) is kind
    if isinstance(caught.value, EngineError):
        assert "\n" not in str(caught.value)


def test_gpu_that_is_not_there_is_one_line(both: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    with pytest.raises(NoTensorFlowGpu, match=r"\ATensorFlow sees no GPU\.\Z"):
        TensorFlowEngine(both, "gpu")


def test_compiled_programs_are_kept_where_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=1")
    _keep_programs()
    place = tmp_path / "polypseg" / "xla"
    assert place.is_dir()
    wanted = f"--tf_xla_auto_jit=1 --tf_xla_persistent_cache_directory={place}"
    assert os.environ["TF_XLA_FLAGS"] == wanted
    _keep_programs()
    assert os.environ["TF_XLA_FLAGS"] == wanted


def test_home_that_cannot_be_written_to_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    _keep_programs()
    assert "TF_XLA_FLAGS" not in os.environ


def save(
    root: Path,
    *,
    name: str = "image",
    dtype: Any = tf.uint8,
    size: int = 64,
    key: str = "probability",
) -> Bundle:
    """Write a bundle whose SavedModel has this signature, while the manifest says 64 x 64."""
    path = write_tiny_bundle(root, onnx_model=False)
    module = tf.Module()

    def serve(**inputs: Any) -> Any:
        return {key: tf.cast(inputs[name][..., 0], tf.float32)}

    spec = tf.TensorSpec([None, size, size, 3], dtype, name=name)
    module.serve = tf.function(serve).get_concrete_function(**{name: spec})
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    return trust(path)


def trust(path: Path) -> Bundle:
    """Return the bundle as if its manifest listed a SavedModel."""
    manifest = Manifest.model_validate_json((path / "manifest.json").read_text())
    return Bundle(path, manifest.model_copy(update={"files": {"saved_model.pb": ""}}), "")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": "picture"}, "names picture, probability, expected image and probability"),
        ({"key": "mask"}, "names image, mask, expected"),
        ({"dtype": tf.float32}, "'image' of the SavedModel is float32"),
        ({"size": 32}, "'image' of the SavedModel is uint8 (None, 32, 32, 3)"),
    ],
)
def test_signature_that_does_not_fit_is_refused(
    root: Path, change: dict[str, Any], named: str
) -> None:
    bundle = save(root, **change)
    with pytest.raises(BundleError) as caught:
        TensorFlowEngine(bundle)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_saved_model_is_refused_in_one_line(root: Path) -> None:
    path = write_tiny_bundle(root, onnx_model=False)
    (path / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=r"the SavedModel cannot be loaded: \S[^\n]*\Z"):
        TensorFlowEngine(trust(path))


def test_bundle_without_saved_model_is_refused(tiny: Bundle) -> None:
    with pytest.raises(BundleError, match=r"'saved_model.pb' is missing"):
        TensorFlowEngine(tiny)


def test_close_frees_the_model(both: Bundle) -> None:
    engine = TensorFlowEngine(both)
    engine.close()
    with pytest.raises(AttributeError):
        engine.infer(noise(1))
