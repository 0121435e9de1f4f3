"""Small training runs on one device and on two, in a process of its own: it splits the processor.

Usage: python -m tests.model_training.replicated_run FOLDER
"""

import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers
from rich.console import Console

from model_training.architectures import ARCHITECTURES
from model_training.architectures.normalization import BatchNormalization
from model_training.pipeline import examples
from model_training.progress import TrainingProgress
from model_training.recipes import OPTIMIZERS, Recipe
from model_training.replicas import Replicas
from model_training.run import Run, describe
from model_training.source import from_split
from model_training.splits import Split
from model_training.training import prepare_devices, train
from tests.model_training.resumable_run import frames

EPOCHS = 4
STOP = 2


def plain(
    height: int, width: int, *, encoder_weights: str | None = None, normalise: bool = False
) -> keras.Model:
    """Build a network; only where it normalises does an image's output depend on the others."""
    assert encoder_weights is None
    image = keras.Input((height, width, 3))
    features = layers.Rescaling(1 / 255)(image)
    features = layers.Conv2D(8, 5, strides=2, padding="same")(features)
    if normalise:
        features = BatchNormalization(momentum=0.5)(features)
    features = layers.UpSampling2D()(layers.Activation("relu")(features))
    return keras.Model(image, layers.Conv2D(1, 3, padding="same")(features))


ARCHITECTURES |= {"plain": plain, "normalised": partial(plain, normalise=True)}
OPTIMIZERS["sgd"] = keras.optimizers.SGD

# Made to tell one device from two that share wrongly. Adam's steps do not depend on the size of the
# gradients, those of gradient descent do. The Dice of a batch is not the mean of those of its
# parts. The norm of the gradients falls from 0.046 to 0.010: the first steps are clipped.
PLAIN = Recipe(
    name="plain",
    architecture="plain",
    height=32,
    width=32,
    batch=4,
    epochs=EPOCHS,
    loss="dice",
    optimizer="sgd",
    learning_rate=4.0,
    clip_norm=0.02,
    weight_decay=1e-3,
    ema=0.8,
)
NORMALISED = replace(
    PLAIN,
    name="normalised",
    architecture="normalised",
    learning_rate=0.5,
    clip_norm=None,
    drop_remainder=True,
)


class Interrupted(TrainingProgress):
    """Ends the process' work, as Ctrl-C does, after some epochs."""

    def report(self, row: dict[str, float]) -> None:
        """Print the metrics of a finished epoch."""
        super().report(row)
        if row["epoch"] + 1 == STOP:
            raise KeyboardInterrupt


def main(folder: Path) -> None:
    """Train each recipe on one device and on two, and one on two that is interrupted as well."""
    prepare_devices()
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [half] * 2
    )
    # The last batches, of 3 frames to train and of 1 to validate on, have no even shares.
    made = frames(folder, 16)
    split = Split("generated", made[:11], made[11:], ())
    one, two = Replicas(), Replicas(("CPU:0", "CPU:1"))

    def run(recipe: Recipe, name: str, replicas: Replicas, progress: TrainingProgress) -> None:
        path = folder / name
        plan = describe(recipe, from_split(split), seed=7, encoder_weights=None)
        train(
            Run.open(path) if path.exists() else Run.create(path, plan),
            examples(split.train, recipe.height, recipe.width),
            examples(split.validation, recipe.height, recipe.width),
            encoder_weights=None,
            replicas=replicas,
            progress=progress,
        )

    console = Console()
    for recipe in (PLAIN, NORMALISED):
        run(recipe, f"{recipe.name}-one", one, TrainingProgress(console))
        run(recipe, f"{recipe.name}-two", two, TrainingProgress(console))
    with suppress(KeyboardInterrupt):
        run(NORMALISED, "interrupted", two, Interrupted(console))
    run(NORMALISED, "interrupted", two, TrainingProgress(console))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
