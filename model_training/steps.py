"""The compiled steps of training and testing, and an epoch of them."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from model_training.losses import soft_dice

Metrics = dict[str, float]


def compile_steps(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: Any
) -> tuple[Any, Any]:
    """Return the compiled training step and test step: batch -> (loss, Dice, tp, fp, fn)."""
    # XLA makes a GPU step about twice as fast and a CPU step about three times as slow.
    jit = bool(tf.config.list_physical_devices("GPU"))

    def outcome(logits: Any, target: Any, value: Any) -> Any:
        predicted = tf.cast(logits >= 0.0, tf.float32)
        hits = tf.reduce_sum(predicted * target)
        dice = soft_dice(tf.sigmoid(logits), target)
        extra, missed = tf.reduce_sum(predicted) - hits, tf.reduce_sum(target) - hits
        return tf.stack((value, dice, hits, extra, missed))  # one tensor: one copy from a device

    @tf.function(jit_compile=jit, reduce_retracing=not jit)
    def train_step(image: Any, mask: Any) -> Any:
        target = tf.cast(mask, tf.float32)[..., None]
        with tf.GradientTape() as tape:
            logits = model(tf.cast(image, tf.float32), training=True)
            value = loss(logits, target)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return outcome(logits, target, value)

    # Not by XLA: it would compile once more for the last, smaller batch.
    @tf.function(reduce_retracing=True)
    def test_step(image: Any, mask: Any) -> Any:
        target = tf.cast(mask, tf.float32)[..., None]
        logits = model(tf.cast(image, tf.float32), training=False)
        return outcome(logits, target, loss(logits, target))

    return train_step, test_step


def run_epoch(step: Any, batches: Any, advance: Any = None) -> Metrics:
    """Run a step over an epoch; loss and Dice weigh frames equally, the rest is pooled."""
    frames = loss = dice = hits = extra = missed = 0.0
    for size, outcome in _one_behind(step, batches):
        value, soft, tp, fp, fn = outcome.numpy().tolist()
        frames, loss, dice = frames + size, loss + size * value, dice + size * soft
        hits, extra, missed = hits + tp, extra + fp, missed + fn
        if advance:
            advance(loss / frames)
    return {
        "loss": loss / frames,
        "dice": dice / frames,
        "recall": hits / max(hits + missed, 1.0),
        "precision": hits / max(hits + extra, 1.0),
    }


def _one_behind(step: Any, batches: Any) -> Iterator[tuple[int, Any]]:
    # An outcome is read once the next step is on its way, so that a GPU never waits for Python.
    waiting: list[tuple[int, Any]] = []
    for image, mask in batches:
        waiting.append((int(image.shape[0]), step(image, mask)))
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting
