"""A bundle whose model is perfect for one image: the example of the OpenAPI description."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.api.examples import EXAMPLE_CARD, EXAMPLE_HEIGHT, EXAMPLE_WIDTH, example_model
from app.imaging import phantom
from app.inference import Manifest, hash_files


def write_perfect_bundle(root: Path) -> Path:
    """Write the bundle that the examples tell of; `root` is what `POLYPSEG_MODEL` names."""
    example = example_model().model_dump(exclude={"sha256", "notice"})
    path = root / example["version"]
    path.mkdir(parents=True)
    onnx.save(_perfect_onnx(), path / "model.onnx")
    (path / "model_card.md").write_text(EXAMPLE_CARD, "utf-8")
    own = {
        "input_height": EXAMPLE_HEIGHT,
        "input_width": EXAMPLE_WIDTH,
        "files": hash_files(path),
    }
    manifest = Manifest.model_validate(example | own)
    (path / "manifest.json").write_text(manifest.model_dump_json(), "utf-8")
    return root


def _perfect_onnx() -> onnx.ModelProto:
    """Return a model that looks at how many images there are, and at nothing else."""
    _, mask = phantom(EXAMPLE_HEIGHT, EXAMPLE_WIDTH)
    answer = np.where(mask > 0, np.float32(0.97), np.float32(0.02))
    size = [EXAMPLE_HEIGHT, EXAMPLE_WIDTH]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["colours"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["colours", "last"], ["grey"], keepdims=0),
            helper.make_node("Mul", ["grey", "nothing"], ["zero"]),
            helper.make_node("Add", ["zero", "answer"], ["probability"]),
        ],
        "perfect",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *size, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", *size])],
        [
            numpy_helper.from_array(np.array([-1], np.int64), "last"),
            numpy_helper.from_array(np.array(0, np.float32), "nothing"),
            numpy_helper.from_array(answer, "answer"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10, producer_name="tests"
    )
