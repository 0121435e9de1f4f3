"""A small training run in a process of its own, so that a test can kill it.

Usage: python resumable_run.py RUN_FOLDER
"""

import sys
from pathlib import Path

import cv2
from rich.console import Console

from app.imaging import phantom
from model_training.datasets import Frame
from model_training.pipeline import examples
from model_training.progress import TrainingProgress
from model_training.recipes import Recipe
from model_training.run import Run, describe
from model_training.splits import Split
from model_training.training import train

EPOCHS = 6

# The learning rate is so small that no epoch is better than the first by what the callback asks
# for: with a patience of 3 it drops after the fourth epoch, if the count survives the kill.
RECIPE = Recipe(
    name="small",
    architecture="tutorial_unet",
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


def main(path: Path) -> None:
    """Train or go on."""
    folder = path.parent / f"{path.name}-frames"
    folder.mkdir(exist_ok=True)
    made = frames(folder, 14)
    split = Split("generated", made[:10], made[10:], ())
    plan = describe(RECIPE, split, seed=7, encoder_weights=None)
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
