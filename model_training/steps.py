"""The compiled steps of training and testing, and an epoch of them."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from model_training.losses import soft_dice
from model_training.replicas import Replicas
from model_training.statistics import moving_statistics

Metrics = dict[str, float]


def compile_steps(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Any,
    replicas: Replicas | None = None,
) -> tuple[Any, Any]:
    """Return the compiled training step and test step: batch -> (loss, Dice, tp, fp, fn).

    Several devices compute what one does, but for rounding and for batch normalisation, which takes
    the statistics of each device's own share.

    Args:
        model: Made in the scope of the replicas.
        optimizer: Likewise, by `make_optimizer` for as many of them.
        loss: Logits and target float32 `[N, H, W, 1]` -> a scalar.
        replicas: The devices that share each batch; one if left out.
    """
    replicas = replicas or Replicas()
    several = replicas.count > 1
    statistics = moving_statistics(model) if several else []
    # XLA makes a GPU step about twice as fast and a CPU step about three times as slow.
    jit = bool(tf.config.list_physical_devices("GPU"))

    def forward(image: Any) -> Any:
        return model(tf.cast(image, tf.float32), training=True)

    if several and jit:  # XLA compiles what one device does between two exchanges with the others
        forward = tf.function(forward, jit_compile=True)

    def outcome(logits: Any, target: Any, value: Any) -> Any:
        predicted = tf.cast(logits >= 0.0, tf.float32)
        hits = tf.reduce_sum(predicted * target)
        dice = soft_dice(tf.sigmoid(logits), target)
        extra, missed = tf.reduce_sum(predicted) - hits, tf.reduce_sum(target) - hits
        return tf.stack((value, dice, hits, extra, missed))  # one tensor: one copy from a device

    def learn(image: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = replicas.gather(forward(image), tf.shape(target)[0])
            value = loss(logits, target)
            share = value / replicas.count  # the optimizer sums gradients over the devices
        gradients = tape.gradient(share, model.trainable_variables)
        # The optimizer clips before it sums: each device must clip the same gradient.
        gradients, means = replicas.mean((gradients, [tf.identity(value) for value in statistics]))
        for moving, mean in zip(statistics, means, strict=True):
            moving.assign(mean)
        optimizer.apply(gradients, model.trainable_variables)
        return outcome(logits, target, value)

    @tf.function(jit_compile=jit and not several, reduce_retracing=not jit)
    def train_step(image: Any, mask: Any) -> Any:
        return replicas.run(learn, image, tf.cast(mask, tf.float32)[..., None])

    def test(image: Any, target: Any) -> Any:
        logits = model(tf.cast(image, tf.float32), training=False)
        logits = replicas.gather(logits, tf.shape(target)[0])
        return outcome(logits, target, loss(logits, target))

    # Not by XLA: it would compile once more for the last, smaller batch.
    @tf.function(reduce_retracing=True)
    def test_step(image: Any, mask: Any) -> Any:
        return replicas.run(test, image, tf.cast(mask, tf.float32)[..., None])

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
