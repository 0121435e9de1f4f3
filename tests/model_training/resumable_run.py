"""A small training run in a process of its own, so that a test can kill it.

Usage: python resumable_run.py RUN_FOLDER
"""

import sys
from pathlib import Path

import cv2
import keras
from keras import layers
from rich.console import Console

from app.imaging import phantom
from model_training.architectures import ARCHITECTURES
from model_training.architectures.normalization import BatchNormalization
from model_training.datasets import Frame
from model_training.pipeline import examples
from model_training.progress import TrainingProgress
from model_training.recipes import Recipe
from model_training.run import Run, describe
from model_training.source import from_split
from model_training.splits import Split
from model_training.training import prepare_devices, train

EPOCHS = 6


def small(height: int, width: int, *, encoder_weights: str | None = None) -> keras.Model:
    """Build a network that has all that a checkpoint must keep: statistics and random state too."""
    assert encoder_weights is None
    image = keras.Input((height, width, 3))
    features = layers.Rescaling(1 / 255)(image)
    features = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(features)
    features = BatchNormalization()(features)
    features = layers.SpatialDropout2D(0.2)(features)
    features = layers.UpSampling2D()(features)
    return keras.Model(image, layers.Conv2D(1, 3, padding="same")(features))


ARCHITECTURES["small"] = small

# The learning rate is so small that no epoch is better than the first by what the callback asks
# for: with a patience of 3 it drops after the fourth epoch, if the count survives the kill.
RECIPE = Recipe(
    name="small",
    architecture="small",
    height=32,
    width=32,
    batch=4,
    epochs=EPOCHS,
    loss="dice",
    optimizer="nadam",
    learning_rate=1e-6,
    plateau_patience=3,
    plateau_factor=0.1,
    stopping_patience=10,
    ema=0.9,
)


def frames(folder: Path, count: int) -> tuple[Frame, ...]:
    """Write generated frames and masks."""
    made = []
    for index in range(count):
        image, mask = phantom(40, 48, seed=index)
        paths = folder / f"{index}.png", folder / f"{index}-mask.png"
        cv2.imwrite(str(paths[0]), image[..., ::-1])
        cv2.imwrite(str(paths[1]), mask)
        made.append(Frame("generated", str(index), *paths, sequence=f"generated/{index}"))
    return tuple(made)


def split_of(folder: Path) -> Split:
    """Write frames and divide them."""
    folder.mkdir(exist_ok=True)
    made = frames(folder, 14)
    return Split("generated", made[:10], made[10:], ())


def main(path: Path) -> None:
    """Train or go on."""
    prepare_devices()
    split = split_of(path.parent / f"{path.name}-frames")
    plan = describe(RECIPE, from_split(split), seed=7, encoder_weights=None)
    run = Run.open(path) if (path / "manifest.json").exists() else Run.create(path, plan)
    train(
        run,
        examples(split.train, RECIPE.height, RECIPE.width),
        examples(split.validation, RECIPE.height, RECIPE.width),
        encoder_weights=None,
        progress=TrainingProgress(Console()),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
