"""The training loop: a recipe, a split and a seed become a run folder that can be resumed."""

import time
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from model_training.architectures import ARCHITECTURES
from model_training.checkpoint import restore_checkpoint, save_checkpoint
from model_training.losses import soft_dice
from model_training.pipeline import epoch as epoch_batches
from model_training.progress import TrainingProgress
from model_training.recipes import LOSSES, OPTIMIZERS, Recipe
from model_training.run import Run

Metrics = dict[str, float]


def train(
    run: Run,
    training: Any,
    validation: Any,
    *,
    encoder_weights: str | None,
    progress: TrainingProgress,
) -> list[Metrics]:
    """Train until early stopping or the recipe's last epoch, from the checkpoint if there is one.

    The order of the frames follows from the seed and the epoch alone, and TensorFlow's operations
    are made deterministic, so a run that was killed and resumed ends with the same weights, bit
    for bit, as one that never stopped on the same machine.

    Args:
        run: The folder with its manifest; its checkpoint and history are written after each epoch.
        training: Examples of `pipeline.examples`: uint8 `[H, W, 3]` and masks uint8 `[H, W]`.
        validation: Likewise; the callbacks watch the loss on these.
        encoder_weights: See `mobilenet_v2_encoder`; not read when resuming.
        progress: Shows the steps.

    Returns:
        One row of metrics for each epoch: the columns of `history.csv`.
    """
    prepare_devices()
    recipe, seed = run.manifest.recipe, run.manifest.seed
    sizes = len(run.manifest.train_frames), len(run.manifest.validation_frames)
    keras.utils.set_random_seed(seed)
    resumed = run.checkpoint.exists()
    model, optimizer = build(recipe, None if resumed else encoder_weights)

    callbacks = _callbacks(recipe)
    for callback in callbacks.values():
        callback.set_model(model)
        callback.on_train_begin()
    history: list[Metrics] = []
    if resumed:
        history = restore_checkpoint(run.checkpoint, model, optimizer, callbacks)["history"]

    train_step, test_step = _steps(model, optimizer, LOSSES[recipe.loss])
    with tf.summary.create_file_writer(str(run.path / "tensorboard")).as_default():
        for epoch in range(len(history), recipe.epochs):
            if _stopped(recipe, callbacks["stopping"]):
                break
            started = time.monotonic()
            order = epoch_batches(
                training, size=sizes[0], batch=recipe.batch, seed=seed, epoch=epoch
            )
            with progress.epoch(epoch, steps=-(-sizes[0] // recipe.batch)) as advance:
                row = _average(train_step, order, advance)
            held_out = _average(test_step, validation.batch(recipe.batch))
            row |= {f"val_{name}": value for name, value in held_out.items()}
            row["learning_rate"] = float(optimizer.learning_rate.numpy())
            row["seconds"] = time.monotonic() - started
            row = {"epoch": float(epoch), **row}
            for callback in callbacks.values():
                callback.on_epoch_end(epoch, row)
            history.append(row)
            save_checkpoint(run.checkpoint, model, optimizer, callbacks, {"history": history})
            run.write_history(history)
            for name, value in row.items():
                tf.summary.scalar(name, value, step=epoch)
            progress.report(row)
    run.finish(epochs=len(history))
    return history


def build(
    recipe: Recipe, encoder_weights: str | None
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Build a recipe's network and its optimizer, with all variables created."""
    architecture = ARCHITECTURES[recipe.architecture]
    model = architecture(recipe.height, recipe.width, encoder_weights=encoder_weights)
    optimizer = OPTIMIZERS[recipe.optimizer](
        recipe.learning_rate,
        use_ema=recipe.ema is not None,
        ema_momentum=recipe.ema or 0.99,
    )
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer)  # the callbacks reach the optimizer through the model
    return model, optimizer


def trained_model(run: Run) -> keras.Model:
    """Return the network with the weights of a run's checkpoint, averaged if the recipe says so."""
    model, optimizer = build(run.manifest.recipe, None)
    restore_checkpoint(run.checkpoint, model, optimizer, {})
    if run.manifest.recipe.ema is not None:
        optimizer.finalize_variable_values(model.trainable_variables)
    return model


def prepare_devices() -> None:
    """Let memory grow on each GPU (TensorFlow takes it all otherwise) and make runs repeatable."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()


def _callbacks(recipe: Recipe) -> dict[str, keras.callbacks.Callback]:
    return {
        "plateau": keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=recipe.plateau_factor, patience=recipe.plateau_patience
        ),
        "stopping": keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=recipe.stopping_patience, restore_best_weights=False
        ),
    }


def _stopped(recipe: Recipe, stopping: keras.callbacks.Callback) -> bool:
    # `model.stop_training` is not in a checkpoint; the counter that sets it is.
    return bool(stopping.wait >= recipe.stopping_patience)


def _steps(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: Any) -> tuple[Any, Any]:
    """Return the compiled training step and test step: batch -> (loss, Dice, tp, fp, fn)."""
    # XLA makes a GPU step about twice as fast and a CPU step about three times as slow.
    jit = bool(tf.config.list_physical_devices("GPU"))

    def outcome(logits: Any, target: Any, value: Any) -> tuple[Any, ...]:
        predicted = tf.cast(logits >= 0.0, tf.float32)
        hits = tf.reduce_sum(predicted * target)
        return (
            value,
            soft_dice(tf.sigmoid(logits), target),
            hits,
            tf.reduce_sum(predicted) - hits,
            tf.reduce_sum(target) - hits,
        )

    @tf.function(jit_compile=jit, reduce_retracing=not jit)
    def train_step(image: Any, mask: Any) -> tuple[Any, ...]:
        target = tf.cast(mask, tf.float32)[..., None]
        with tf.GradientTape() as tape:
            logits = model(tf.cast(image, tf.float32), training=True)
            value = loss(logits, target)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return outcome(logits, target, value)

    @tf.function(jit_compile=jit, reduce_retracing=not jit)
    def test_step(image: Any, mask: Any) -> tuple[Any, ...]:
        target = tf.cast(mask, tf.float32)[..., None]
        logits = model(tf.cast(image, tf.float32), training=False)
        return outcome(logits, target, loss(logits, target))

    return train_step, test_step


def _average(step: Any, batches: Any, advance: Any = None) -> Metrics:
    """Run a step over an epoch; loss and Dice weigh frames equally, the rest is pooled."""
    frames = loss = dice = hits = extra = missed = 0.0
    for image, mask in _iterate(batches):
        value, soft, tp, fp, fn = (float(x) for x in step(image, mask))
        size = int(image.shape[0])
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


def _iterate(batches: Any) -> Iterator[tuple[Any, Any]]:
    yield from batches
