"""The training loop: a recipe, a split and a seed become a run folder that can be resumed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zipfile import BadZipFile

import keras
import tensorflow as tf

from app.inference.bundle import Bundle
from model_training.architectures import ARCHITECTURES
from model_training.augmentation import AUGMENTATIONS, as_map
from model_training.checkpoint import restore_checkpoint, save_checkpoint
from model_training.optimizer import make_optimizer
from model_training.pipeline import epoch as epoch_batches
from model_training.progress import TrainingProgress
from model_training.recipes import LOSSES, Recipe
from model_training.replicas import Replicas
from model_training.run import Run, RunError
from model_training.start import bundle_weights
from model_training.statistics import estimate_batch_statistics
from model_training.steps import Metrics, compile_steps, run_epoch


def train(
    run: Run,
    training: Any,
    validation: Any,
    *,
    encoder_weights: str | None,
    start: Bundle | None = None,
    replicas: Replicas | None = None,
    progress: TrainingProgress,
) -> list[Metrics]:
    """Train until early stopping or the recipe's last epoch, from the checkpoint if there is one.

    The order of the frames follows from the seed and the epoch alone, and without a GPU
    TensorFlow's operations are made deterministic, so that a run that was killed and resumed ends
    with the same weights, bit for bit, as one that never stopped on the same machine.

    `prepare_devices` must have been called before the examples were made.

    Args:
        run: The folder with its manifest; its checkpoint and history are written after each epoch.
        training: Examples of `pipeline.examples`: uint8 `[H, W, 3]` and masks uint8 `[H, W]`.
        validation: Likewise; the callbacks watch the loss on these. If there are none, the rows
            have no `val_` columns; a recipe that changes its course by them needs some.
        encoder_weights: See `mobilenet_v2_encoder`; not read when resuming.
        start: A bundle of the same architecture whose weights are trained further; not read when
            resuming.
        replicas: The devices that share each batch; one if left out.
        progress: Shows the steps.

    Returns:
        One row of metrics for each epoch: the columns of `history.csv`.

    Raises:
        EncoderWeightsError: The encoder's weights cannot be had.
        RunError: The checkpoint is damaged, or of another version of this code.
        StartError: The bundle is of another architecture.
    """
    recipe, seed = run.manifest.recipe, run.manifest.seed
    sizes = len(run.manifest.train_frames), len(run.manifest.validation_frames)
    replicas = replicas or Replicas()
    keras.utils.set_random_seed(seed)
    resumed = run.checkpoint.exists()
    weights = None if resumed else encoder_weights
    model, optimizer = build(recipe, weights, frames=sizes[0], replicas=replicas)
    if start and not resumed:
        model.set_weights(bundle_weights(_network(recipe), start))

    callbacks = _callbacks(recipe)
    for callback in callbacks.values():
        callback.set_model(model)
        callback.on_train_begin()
    history: list[Metrics] = []
    if resumed:
        try:
            history = restore_checkpoint(run.checkpoint, model, optimizer, callbacks)["history"]
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise RunError(f"{run.checkpoint} cannot be gone on from: {error}") from error
        run.write_history(history)  # the kill may have come between the two

    augment = as_map(AUGMENTATIONS[recipe.augmentation]) if recipe.augmentation else None
    train_step, test_step = compile_steps(model, optimizer, LOSSES[recipe.loss], replicas)
    with tf.summary.create_file_writer(str(run.path / "tensorboard")).as_default():
        for epoch in range(len(history), recipe.epochs):
            if _stopped(recipe, callbacks):
                break
            started = time.monotonic()
            order = epoch_batches(
                training,
                size=sizes[0],
                batch=recipe.batch,
                seed=seed,
                epoch=epoch,
                drop_remainder=recipe.drop_remainder,
                augment=augment,
            )
            with progress.epoch(epoch, steps=recipe.steps(sizes[0])) as advance:
                row = run_epoch(train_step, order, advance)
            if sizes[1]:
                held_out = run_epoch(test_step, validation.batch(recipe.batch))
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
    if recipe.ema is not None:
        optimizer.finalize_variable_values(model.trainable_variables)
        model = _in_float32(model, recipe)
        # Shuffled as in training: in the order of a split, a batch would be frames of one video.
        shuffled = epoch_batches(
            training,
            size=sizes[0],
            batch=recipe.batch,
            seed=seed,
            epoch=recipe.epochs,
            drop_remainder=recipe.drop_remainder,
        )
        estimate_batch_statistics(model, shuffled)
    partial = run.weights.with_name("partial.weights.h5")
    model.save_weights(partial)
    partial.replace(run.weights)
    run.finish(epochs=len(history))
    return history


def build(
    recipe: Recipe, encoder_weights: str | None, *, frames: int, replicas: Replicas | None = None
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Build a recipe's network and its optimizer, with all variables created.

    Args:
        recipe: What to build.
        encoder_weights: See `mobilenet_v2_encoder`.
        frames: Number of training frames: the steps of an epoch scale the schedule.
        replicas: The devices that get a copy each; one if left out.
    """
    replicas = replicas or Replicas()
    with replicas.scope():
        with precision(recipe):
            model = _network(recipe, encoder_weights)
        optimizer = make_optimizer(recipe, steps=recipe.steps(frames), replicas=replicas.count)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer)  # the callbacks reach the optimizer through the model
    return model, optimizer


def trained_model(run: Run) -> keras.Model:
    """Return the network with the weights that a finished run ended with.

    Raises:
        RunError: The run has not finished, or its weights are damaged.
    """
    if not run.weights.exists():
        raise RunError(f"{run.path} has not finished: go on with polypseg train --resume.")
    model = _network(run.manifest.recipe)
    try:
        model.load_weights(run.weights)
    except (OSError, ValueError) as error:
        raise RunError(f"{run.weights} does not hold the weights of {model.name}.") from error
    return model


def prepare_devices() -> None:
    """Let memory grow on each GPU, where TensorFlow takes it all; without one, be deterministic.

    To be called before anything else of TensorFlow. On a GPU deterministic kernels are slow ones.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        tf.config.experimental.enable_op_determinism()


@contextmanager
def precision(recipe: Recipe) -> Iterator[None]:
    """Build layers for the arithmetic of a recipe."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        "float32" if recipe.precision == "float32" else f"mixed_{recipe.precision}"
    )
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _network(recipe: Recipe, encoder_weights: str | None = None) -> keras.Model:
    architecture = ARCHITECTURES[recipe.architecture]
    model = architecture(recipe.height, recipe.width, encoder_weights=encoder_weights)
    if recipe.frozen is not None:
        encoder = model.get_layer("encoder")
        last = encoder.layers.index(encoder.get_layer(recipe.frozen))
        for layer in encoder.layers[: last + 1]:
            layer.trainable = False  # its batch normalisation then uses the statistics it has
    return model


def _in_float32(model: keras.Model, recipe: Recipe) -> keras.Model:
    exact = _network(recipe)
    exact.set_weights(model.get_weights())
    return exact


def _callbacks(recipe: Recipe) -> dict[str, keras.callbacks.Callback]:
    callbacks: dict[str, keras.callbacks.Callback] = {}
    if recipe.plateau_patience is not None:
        callbacks["plateau"] = keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=recipe.plateau_factor, patience=recipe.plateau_patience
        )
    if recipe.stopping_patience is not None:
        callbacks["stopping"] = keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=recipe.stopping_patience, restore_best_weights=False
        )
    return callbacks


def _stopped(recipe: Recipe, callbacks: dict[str, keras.callbacks.Callback]) -> bool:
    # `model.stop_training` is not in a checkpoint; the counter that sets it is.
    patience = recipe.stopping_patience
    return patience is not None and bool(callbacks["stopping"].wait >= patience)
