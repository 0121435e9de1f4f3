"""Training can be killed at any moment, and agrees with Keras' own loop."""

import csv
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from app.imaging import phantom
from model_training.architectures.normalization import BatchNormalization
from model_training.checkpoint import restore_checkpoint, save_checkpoint
from model_training.losses import boundary_loss, dice_loss
from model_training.pipeline import examples
from model_training.recipes import RECIPES
from model_training.run import Run
from model_training.statistics import estimate_batch_statistics, moving_statistics
from model_training.steps import compile_steps, run_epoch
from model_training.training import build, trained_model
from tests.model_training import resumable_run

SCRIPT = Path(__file__).parent / "resumable_run.py"


def _start(run: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=SCRIPT.parents[2],
    )


def _finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate()
    assert process.returncode == 0, output


def _history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_killed_run_ends_with_the_same_weights_as_one_that_never_stopped(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with _start(whole) as uninterrupted:
        _finish(uninterrupted)

    with _start(killed) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 2 "):
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert len(_history(killed)) == 2, "the kill must hit the third epoch"
    with _start(killed) as process:
        _finish(process)

    rates = [float(row["learning_rate"]) for row in _history(whole)]
    assert rates[2] > rates[-1], "the learning rate must drop after the kill"
    assert _history(killed) == _history(whole)
    with np.load(whole / "checkpoint.npz") as expected, np.load(killed / "checkpoint.npz") as saved:
        assert set(saved.files) == set(expected.files)
        for name in saved.files:
            if name != "state":
                np.testing.assert_array_equal(saved[name], expected[name], err_msg=name)
    ours, theirs = (trained_model(Run.open(run)).get_weights() for run in (whole, killed))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)

    # Nor does a kill between the last checkpoint and its row of the history lose the row.
    rows = (killed / "history.csv").read_text().splitlines(keepends=True)
    (killed / "history.csv").write_text("".join(rows[:-1]))
    with _start(killed) as process:
        _finish(process)
    assert _history(killed) == _history(whole)


def test_a_run_ends_with_averaged_weights_and_statistics_of_shuffled_batches(
    tmp_path: Path,
) -> None:
    with _start(tmp_path / "run") as process:
        _finish(process)
    run = Run.open(tmp_path / "run")
    ended = trained_model(run)
    model, optimizer = build(run.manifest.recipe, None, frames=10)
    restore_checkpoint(run.checkpoint, model, optimizer, {})
    last = [value.numpy() for value in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    averaged = [value.numpy() for value in model.trainable_variables]

    for value, mean, newest in zip(ended.trainable_variables, averaged, last, strict=True):
        np.testing.assert_array_equal(value, mean)
        assert np.any(mean != newest)
    split = resumable_run.split_of(tmp_path / "run-frames")
    estimate_batch_statistics(model, examples(split.train, 32, 32).batch(run.manifest.recipe.batch))
    in_order, shuffled = (moving_statistics(one) for one in (model, ended))
    for one, other in zip(in_order, shuffled, strict=True):
        np.testing.assert_allclose(one, other, rtol=0.5)
        assert np.any(one.numpy() != other.numpy())


@pytest.fixture(scope="module")
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = [phantom(32, 32, seed=seed) for seed in range(6)]
    images = np.stack([image for image, _ in pairs])
    masks = np.stack([mask // 255 for _, mask in pairs])
    return [(images[:4], masks[:4]), (images[4:], masks[4:])]


def _network() -> keras.Model:
    image = keras.Input((32, 32, 3))
    features = keras.layers.Rescaling(1 / 255)(image)
    features = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(features)
    features = BatchNormalization()(features)
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(features))


def _tensors(batches: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[Any, Any]]:
    return [(tf.constant(image), tf.constant(mask)) for image, mask in batches]


def test_an_epoch_does_what_keras_fit_does(batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
    model, twin = _network(), _network()
    twin.set_weights(model.get_weights())
    twin.compile(keras.optimizers.Nadam(1e-2), lambda target, logits: dice_loss(logits, target))
    optimizer = keras.optimizers.Nadam(1e-2)
    optimizer.build(model.trainable_variables)

    train_step, test_step = compile_steps(model, optimizer, dice_loss)
    row = run_epoch(train_step, _tensors(batches))
    tested = run_epoch(test_step, _tensors(batches))
    images, masks = (np.concatenate(part).astype(np.float32) for part in zip(*batches, strict=True))
    examples = tf.data.Dataset.from_tensor_slices((images, masks[..., None])).batch(4)
    fitted = twin.fit(examples, shuffle=False, verbose=0)

    assert row["loss"] == pytest.approx(float(fitted.history["loss"][0]), rel=1e-5)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert tested["dice"] == pytest.approx(1 - tested["loss"], abs=1e-6)


def test_recall_and_precision_are_pooled_over_the_epoch(
    batches: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    model = _network()
    _, test_step = compile_steps(model, keras.optimizers.SGD(), dice_loss)
    row = run_epoch(test_step, _tensors(batches))

    # Keras counts what is above its threshold; a mask has what is at it too, here black pixels.
    threshold = float(np.nextafter(np.float32(0.5), np.float32(0)))
    recall = keras.metrics.Recall(thresholds=threshold)
    precision = keras.metrics.Precision(thresholds=threshold)
    for image, mask in batches:
        probability = tf.sigmoid(model(image.astype(np.float32), training=False))[..., 0]
        recall.update_state(mask, probability)
        precision.update_state(mask, probability)
    assert row["recall"] == pytest.approx(float(recall.result()), abs=1e-6)
    assert row["precision"] == pytest.approx(float(precision.result()), abs=1e-6)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    other = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    save_checkpoint(path, other, keras.optimizers.SGD(), {}, {"history": []})

    with pytest.raises(ValueError, match="holds 2 model variables, this recipe has 8"):
        restore_checkpoint(path, _network(), keras.optimizers.SGD(), {})


def test_frozen_layers_keep_weights_and_statistics_and_the_others_learn() -> None:
    recipe = replace(RECIPES["lite"], height=64, width=64, batch=4, frozen="block_2_add")
    recipe = replace(recipe, warmup_epochs=None)  # a schedule would start from zero
    model, optimizer = build(recipe, None, frames=8)
    encoder = model.get_layer("encoder")
    before = {value.path: value.numpy() for value in encoder.variables}
    pairs = [phantom(64, 64, seed=seed) for seed in range(4)]
    image, mask = np.stack([i for i, _ in pairs]), np.stack([m // 255 for _, m in pairs])

    train_step, _ = compile_steps(model, optimizer, boundary_loss)
    run_epoch(train_step, _tensors([(image, mask)] * 2))

    changed = {
        value.path for value in encoder.variables if np.any(value.numpy() != before[value.path])
    }
    last = [layer.name for layer in encoder.layers].index("block_2_add")
    names = {layer.name: index for index, layer in enumerate(encoder.layers)}
    assert changed
    assert all(names[path.split("/")[-2]] > last for path in changed)
    assert any("moving_mean" in path for path in changed)


def test_mixed_precision_is_for_the_layers_alone() -> None:
    recipe = replace(RECIPES["lite"], height=64, width=64, precision="bfloat16")

    model, _ = build(recipe, None, frames=32)

    computed = {layer.compute_dtype for layer in model._flatten_layers() if layer.weights}
    assert "bfloat16" in computed
    assert {value.dtype for value in model.trainable_variables} == {"float32"}
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_remainder_that_is_dropped_is_no_step() -> None:
    assert replace(RECIPES["light"], batch=16).steps(49) == 3
    assert replace(RECIPES["tutorial"], batch=16).steps(49) == 4
