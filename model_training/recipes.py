"""Training recipes: every choice that shapes a run, under a name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras

from model_training.losses import dice_loss


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of a training run.

    Attributes:
        name: What `polypseg train --recipe` calls it.
        architecture: A key of `architectures.ARCHITECTURES`.
        height: Input height in pixels.
        width: Input width in pixels.
        batch: Frames a step.
        epochs: The most epochs that a run may take.
        loss: A key of `LOSSES`.
        optimizer: A key of `OPTIMIZERS`.
        learning_rate: At the start.
        plateau_factor: The learning rate is multiplied by this after `plateau_patience` epochs
            without a better validation loss.
        plateau_patience: See `plateau_factor`.
        stopping_patience: Training ends after this many epochs without a better validation loss.
        ema: Momentum of the exponential moving average of the weights; `None` turns it off.
    """

    name: str
    architecture: str
    height: int
    width: int
    batch: int
    epochs: int
    loss: str
    optimizer: str
    learning_rate: float
    plateau_factor: float
    plateau_patience: int
    stopping_patience: int
    ema: float | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON-compatible values, for the run's manifest."""
        return asdict(self)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {"dice": dice_loss}
OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {"nadam": keras.optimizers.Nadam}

# As published, but for three things: RGB instead of OpenCV's BGR, frames shuffled every epoch,
# and the service's own resize. The tutorial evaluates the last weights, not the best ones.
TUTORIAL = Recipe(
    name="tutorial",
    architecture="tutorial_unet",
    height=256,
    width=256,
    batch=8,
    epochs=200,
    loss="dice",
    optimizer="nadam",
    learning_rate=1e-4,
    plateau_factor=0.1,
    plateau_patience=4,
    stopping_patience=10,
)

RECIPES = {recipe.name: recipe for recipe in (TUTORIAL,)}
