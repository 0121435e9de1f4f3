"""A bundle small enough for any test, whose answers one line of NumPy predicts."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.inference.bundle import Manifest, Parity, TrainingRun, hash_files

# The logit is a linear function of the colour: red pixels are polyp, grey and green ones are not.
COLOUR_WEIGHTS = np.array([0.06, -0.03, -0.03], np.float32)
OFFSET = np.float32(-2.0)


def tiny_probability(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the tiny model must answer: uint8 `[..., 3]` to float32 `[...]` in (0, 1)."""
    logit = images.astype(np.float64) @ COLOUR_WEIGHTS.astype(np.float64) + OFFSET
    probability: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-logit))).astype(np.float32)
    return probability


def write_tiny_bundle(
    root: Path,
    *,
    name: str = "tiny",
    version: str = "1",
    height: int = 64,
    width: int = 64,
    threshold: float = 0.5,
    min_area: int = 0,
    cropped: bool = False,
    onnx_model: bool = True,
    saved_model: bool = False,
    parity: tuple[Parity, ...] = (Parity(frames=1, max_abs_difference=0.0, mask_disagreement=0.0),),
) -> Path:
    """Write a real bundle with a tiny model.

    Args:
        root: Directory of the model, made if need be; what `POLYPSEG_MODEL` names.
        name: Name of the model.
        version: Version, which names the directory under `root`.
        height: Input height.
        width: Input width.
        threshold: Operating threshold.
        min_area: Smallest region in source pixels.
        cropped: Images are cut to their field of view.
        onnx_model: Write `model.onnx`.
        saved_model: Write the SavedModel too; imports TensorFlow.
        parity: What the manifest says about the agreement of the two.

    Returns:
        The directory of the version: `root / version`.
    """
    path = root / version
    path.mkdir(parents=True)
    if onnx_model:
        onnx.save(tiny_onnx(height, width), path / "model.onnx")
    if saved_model:
        _write_saved_model(path, height, width)
    manifest = Manifest(
        name=name,
        version=version,
        input_height=height,
        input_width=width,
        threshold=threshold,
        min_area=min_area,
        cropped=cropped,
        parameters=4,
        gflop=6 * height * width / 1e9,
        files=hash_files(path),
        training=TrainingRun(
            commit="0" * 40,
            recipe="tiny",
            seed=0,
            split="none",
            split_hash="0" * 64,
            data_hash="0" * 64,
        ),
        parity=parity,
    )
    (path / "manifest.json").write_text(manifest.model_dump_json(indent=2) + "\n")
    return path


def tiny_onnx(height: int = 64, width: int = 64) -> onnx.ModelProto:
    """Return the tiny model for ONNX Runtime."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["colours"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["colours", "weights"], ["weighed"]),
            helper.make_node("Squeeze", ["weighed", "last"], ["flat"]),
            helper.make_node("Add", ["flat", "offset"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", height, width, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", height, width])],
        [
            numpy_helper.from_array(COLOUR_WEIGHTS[:, np.newaxis], "weights"),
            numpy_helper.from_array(np.array([-1], np.int64), "last"),
            numpy_helper.from_array(np.array(OFFSET), "offset"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10, producer_name="tests"
    )


def _write_saved_model(path: Path, height: int, width: int) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(COLOUR_WEIGHTS)

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logit = tf.linalg.matvec(tf.cast(image, tf.float32), module.weights) + OFFSET
        return {"probability": tf.sigmoid(logit)}

    image = tf.TensorSpec([None, height, width, 3], tf.uint8, name="image")
    module.serve = tf.function(serve, input_signature=[image])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
