"""From a trained run to a bundle: SavedModel, ONNX, warm-up requests, manifest, model card."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from app.imaging import phantom, resize
from app.inference.bundle import (
    ONNX_MODEL,
    Bundle,
    Manifest,
    Parity,
    TrainingRun,
    load_bundle,
)
from app.inference.engines.onnxruntime import OnnxRuntimeEngine
from app.inference.engines.tensorflow import TensorFlowEngine
from model_training.card import OPERATING_POINT, VALIDATION
from model_training.cost import gflop
from model_training.datasets import Frame
from model_training.evaluation.operating_point import OperatingPoint, fit_operating_point
from model_training.publication import rounded, staged, write_manifest
from model_training.run import Run, RunError
from model_training.training import trained_model

OPSET = 17
WARMUP = "assets.extra/tf_serving_warmup_requests"


class Served(tf.Module):
    """The graph that is served: scaling, network, temperature and sigmoid in one signature.

    Args:
        model: From `[N, H, W, 3]` RGB in [0, 255] to logits `[N, H, W, 1]`.
        temperature: Logits are divided by it (Guo et al., "On Calibration of Modern Neural
            Networks", ICML 2017).
    """

    def __init__(self, model: keras.Model, temperature: float) -> None:
        super().__init__()
        self._model = model
        _, height, width, channels = model.input_shape
        self.signature = [tf.TensorSpec((None, height, width, channels), tf.uint8, name="image")]

        def serve(image: Any) -> dict[str, Any]:
            logits = model(tf.cast(image, tf.float32), training=False)
            return {"probability": tf.sigmoid(logits[..., 0] / temperature)}

        self.serve = tf.function(serve, input_signature=self.signature)


def export(
    run: Run,
    out: Path,
    *,
    name: str,
    version: str,
    images: Sequence[NDArray[np.uint8]],
    point: OperatingPoint,
    point_of: Bundle | None = None,
) -> Bundle:
    """Write a bundle; a bundle that is there is replaced once the new one is complete.

    Args:
        run: A trained run.
        out: Folder of the model, such as `models/polyp-unet`; the version becomes a folder in it.
        name: Of the model.
        version: A positive integer.
        images: uint8 `[H, W, 3]` of any size, on which the engines are compared.
        point: Temperature, threshold and smallest region; `operating_point` fits them and
            `taken_over` reads them.
        point_of: The bundle that they were taken over from, if they were.

    Returns:
        The bundle, verified.
    """
    model = trained_model(run)
    served = Served(model, point.temperature)
    _, height, width, _ = model.input_shape
    inputs = np.stack([resize(image, height, width) for image in images])
    with staged(out, version) as path:
        tf.saved_model.save(served, str(path), signatures={"serving_default": served.serve})
        (path / "fingerprint.pb").unlink(missing_ok=True)  # differs between equal models
        tf2onnx.convert.from_function(
            served.serve,
            input_signature=served.signature,
            opset=OPSET,
            output_path=str(path / ONNX_MODEL),
        )
        warmup, _ = phantom(height, width)
        _write_warmup(path / WARMUP, name, [warmup[None], np.stack([warmup] * 4)])
        manifest = Manifest(
            name=name,
            version=version,
            input_height=height,
            input_width=width,
            cropped=run.manifest.recipe.cropped,
            threshold=point.threshold,
            min_area=point.min_area,
            temperature=point.temperature,
            parameters=model.count_params(),
            gflop=round(gflop(model), 3),
            files={},
            training=_training(run, point_of),
            metrics=rounded({VALIDATION: point.figures} if point.figures else {}),
        )
        write_manifest(path, manifest)
        parity = compare_engines(load_bundle(path.parent, version), inputs)
        write_manifest(path, manifest.model_copy(update={"parity": (parity,)}))
    return load_bundle(out, version)


def operating_point(run: Run, frames: Sequence[Frame]) -> OperatingPoint:
    """Run a finished network on its validation frames and fit how it is to be used.

    Args:
        run: A trained run.
        frames: Those that its manifest lists for validation.

    Returns:
        What `fit_operating_point` finds.
    """
    model = trained_model(run)
    _, height, width, _ = model.input_shape

    def network(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = model.predict_on_batch(image[None].astype(np.float32))
        return logits[0, ..., 0]

    cropped = run.manifest.recipe.cropped
    return fit_operating_point(network, height, width, frames, cropped=cropped)


def taken_over(bundle: Bundle, run: Run) -> OperatingPoint:
    """Take over how a bundle is to be used, for a network that held no frames out to fit it on.

    Args:
        bundle: Of the same architecture, with some of the run's training frames held out; or one
            that took the point over itself, and passes it on.
        run: A trained run.

    Raises:
        RunError: The bundle is of another architecture, or was fitted on other frames or on none.
    """
    manifest = bundle.manifest
    if VALIDATION not in manifest.metrics and OPERATING_POINT not in manifest.training.settings:
        raise RunError(f"{bundle.path} has no operating point that was fitted.")
    architecture = manifest.training.settings.get("architecture")
    if architecture != run.manifest.recipe.architecture:
        raise RunError(f"{bundle.path} is of {architecture}, and {run.path} of another network.")
    # A bundle that took its point over trained on the frames that this was fitted on.
    fitted = manifest.training.validation_frames or manifest.training.train_frames
    if not set(fitted) <= set(run.manifest.train_frames):
        raise RunError(f"{bundle.path} was fitted on frames that {run.path} did not train on.")
    return OperatingPoint(manifest.temperature, manifest.threshold, manifest.min_area)


def compare_engines(bundle: Bundle, images: NDArray[np.uint8]) -> Parity:
    """Run the SavedModel and the ONNX model on the same images, on the CPU.

    Args:
        bundle: Holds both.
        images: uint8 `[N, H, W, 3]` at the input size.

    Returns:
        How far they are apart, all images pooled.
    """
    engines = (TensorFlowEngine(bundle, "cpu"), OnnxRuntimeEngine(bundle))
    ours, theirs = (
        np.concatenate([engine.infer(image[None]) for image in images]) for engine in engines
    )
    threshold = bundle.manifest.threshold
    first, second = ours >= threshold, theirs >= threshold
    total = int(first.sum()) + int(second.sum())
    return Parity(
        device="cpu",
        frames=len(images),
        max_abs_difference=float(np.abs(ours - theirs).max()),
        mask_disagreement=float((first != second).mean()),
        dice=2.0 * float((first & second).sum()) / total if total else 1.0,
    )


def _training(run: Run, point_of: Bundle | None) -> TrainingRun:
    manifest = run.manifest
    # A bundle that has its point from another one passes it on; it is not where it was fitted.
    borrowed = (
        {OPERATING_POINT: point_of.manifest.training.settings.get(OPERATING_POINT, point_of.sha256)}
        if point_of
        else {}
    )
    return TrainingRun(
        commit=manifest.commit,
        recipe=manifest.recipe.name,
        seed=manifest.seed,
        split=manifest.split,
        split_hash=manifest.split_hash,
        data_hash=manifest.data_hash,
        settings={
            **manifest.recipe.settings(),
            "encoder_weights": manifest.encoder_weights,
            "start": manifest.start,
            "epochs_run": manifest.epochs,
            **borrowed,
        },
        packages=manifest.packages,
        train_frames=manifest.train_frames,
        validation_frames=manifest.validation_frames,
    )


def _write_warmup(path: Path, name: str, batches: Iterable[NDArray[np.uint8]]) -> None:
    """Write requests that TensorFlow Serving runs before it reports that the model is ready."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in batches:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = "serving_default"
            request.inputs["image"].CopyFrom(tf.make_tensor_proto(batch))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
