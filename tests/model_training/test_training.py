"""Training can be killed at any moment, and agrees with Keras' own loop."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from app.imaging import phantom
from model_training.checkpoint import restore_checkpoint, save_checkpoint
from model_training.losses import dice_loss
from model_training.recipes import RECIPES, Recipe
from model_training.steps import compile_steps, run_epoch
from model_training.training import build

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


@pytest.fixture(scope="module")
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = [phantom(32, 32, seed=seed) for seed in range(6)]
    images = np.stack([image for image, _ in pairs])
    masks = np.stack([mask // 255 for _, mask in pairs])
    return [(images[:4], masks[:4]), (images[4:], masks[4:])]


def _small(**changes: object) -> Recipe:
    settings = RECIPES["tutorial"].settings() | {"height": 32, "width": 32} | changes
    return Recipe(**settings)


def test_an_epoch_does_what_keras_fit_does(batches: list[tuple[np.ndarray, np.ndarray]]) -> None:
    recipe = _small()
    model, optimizer = build(recipe, None, frames=6)
    twin, _ = build(recipe, None, frames=6)
    twin.set_weights(model.get_weights())
    twin.compile(optimizer=keras.optimizers.Nadam(recipe.learning_rate), loss=dice_loss)
    tensors = [
        (keras.ops.convert_to_tensor(image), keras.ops.convert_to_tensor(mask))
        for image, mask in batches
    ]

    train_step, test_step = compile_steps(model, optimizer, dice_loss)
    row = run_epoch(train_step, tensors)
    tested = run_epoch(test_step, tensors)
    images, masks = (np.concatenate(part).astype(np.float32) for part in zip(*batches, strict=True))
    fitted = twin.fit(
        tf.data.Dataset.from_tensor_slices((images, masks[..., None])).batch(4),
        shuffle=False,
        verbose=0,
    )
    loss = float(fitted.history["loss"][0])

    assert row["loss"] == pytest.approx(loss, rel=1e-5)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    assert tested["dice"] == pytest.approx(1 - tested["loss"], abs=1e-6)


def test_recall_and_precision_are_pooled_over_the_epoch(
    batches: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    tensors = [
        (keras.ops.convert_to_tensor(image), keras.ops.convert_to_tensor(mask))
        for image, mask in batches
    ]
    model, optimizer = build(_small(), None, frames=6)
    _, test_step = compile_steps(model, optimizer, dice_loss)
    row = run_epoch(test_step, tensors)

    recall, precision = keras.metrics.Recall(), keras.metrics.Precision()
    for image, mask in batches:
        probability = keras.ops.sigmoid(model(image.astype(np.float32), training=False))[..., 0]
        recall.update_state(mask, probability)
        precision.update_state(mask, probability)
    assert row["recall"] == pytest.approx(float(recall.result()), abs=1e-6)
    assert row["precision"] == pytest.approx(float(precision.result()), abs=1e-6)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    layer = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    save_checkpoint(path, layer, keras.optimizers.SGD(), {}, {"history": []})
    model, optimizer = build(_small(), None, frames=6)

    with pytest.raises(ValueError, match=r"holds 2 model variables, this recipe has \d+"):
        restore_checkpoint(path, model, optimizer, {})
