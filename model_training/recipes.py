"""Training recipes: every choice that shapes a run, under a name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import keras

from model_training.losses import boundary_loss, dice_loss


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
        plateau_patience: The learning rate is multiplied by `plateau_factor` after this many epochs
            without a better validation loss; `None` leaves it alone.
        plateau_factor: See `plateau_patience`.
        stopping_patience: Training ends after this many epochs without a better validation loss;
            `None` trains for all epochs.
        warmup_epochs: The learning rate rises over these epochs and then falls to zero along a
            cosine (Loshchilov and Hutter, "SGDR", ICLR 2017); `None` keeps it constant.
        weight_decay: Decoupled (Loshchilov and Hutter, ICLR 2019).
        clip_norm: Gradients are scaled down to this global norm.
        ema: Momentum of the exponential moving average of the weights; `None` turns it off. The
            averaged weights are the result, with batch statistics estimated anew for them.
        augmentation: A key of `augmentation.AUGMENTATIONS`.
        drop_remainder: Leave an epoch's last, smaller batch out: its statistics are poor, and XLA
            would compile the step a second time for it.
        cropped: Frames are cut to their field of view, here and wherever the network is used.
        frozen: The encoder's layers up to this one keep their initial weights and statistics: the
            early ones cost a quarter of a step on a CPU and learn the least. `None` trains all.
        precision: `"float32"`, or `"bfloat16"` for the arithmetic of the layers while training
            (Micikevicius et al., "Mixed Precision Training", ICLR 2018); the weights, the batch
            statistics, the logits and the loss stay float32, and so is what is exported.
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
    plateau_patience: int | None = None
    plateau_factor: float = 0.1
    stopping_patience: int | None = None
    warmup_epochs: int | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    ema: float | None = None
    augmentation: str | None = None
    drop_remainder: bool = False
    cropped: bool = False
    frozen: str | None = None
    precision: Literal["float32", "bfloat16"] = "float32"

    @property
    def validates(self) -> bool:
        """Whether the course of training depends on validation frames."""
        return self.plateau_patience is not None or self.stopping_patience is not None

    def steps(self, frames: int) -> int:
        """Return how many batches an epoch of so many frames has."""
        return frames // self.batch if self.drop_remainder else -(-frames // self.batch)

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON-compatible values, for the run's manifest."""
        return asdict(self)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "boundary": boundary_loss,
    "dice": dice_loss,
}
OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
}

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
    plateau_patience=4,
    plateau_factor=0.1,
    stopping_patience=10,
)

# The light network, made to generalise: strong augmentation, and a loss that counts what lies near
# a boundary more. To be trained with --negatives.
LIGHT = Recipe(
    name="light",
    architecture="polyp_unet",
    height=320,
    width=320,
    batch=16,
    epochs=24,
    loss="boundary",
    optimizer="adamw",
    learning_rate=1e-3,
    warmup_epochs=1,
    weight_decay=1e-2,
    clip_norm=1.0,
    ema=0.998,
    augmentation="robust",
    drop_remainder=True,
    cropped=True,
)

# A network of a sixth of the size cannot fit what strong augmentation makes.
LITE = replace(
    LIGHT,
    name="lite",
    architecture="polyp_unet_lite",
    height=256,
    width=256,
    epochs=50,
    augmentation="moderate",
)

# The light network where there is no GPU: a minute an epoch on two cores.
LIGHT_CPU = replace(LIGHT, name="light-cpu", height=256, width=256, epochs=13, frozen="block_2_add")

# To go on with from a bundle (`--start`): after long training under strong augmentation a network
# marks even its own training frames less well than it could. Light and focus still vary as other
# cameras have them.
FINISH = replace(
    LIGHT,
    name="finish",
    height=256,
    width=256,
    epochs=36,
    learning_rate=5e-4,
    augmentation="cameras",
)

# For a few hundred frames up to some thousand: half of a batch makes twice the steps.
FEW = replace(LIGHT, name="few", height=256, width=256, batch=8, epochs=40, augmentation="moderate")

# Five networks from ImageNet's weights on two cores, in an evening.
FOLD = replace(FEW, name="fold", epochs=18, frozen=LIGHT_CPU.frozen)

RECIPES = {r.name: r for r in (TUTORIAL, LIGHT, LITE, LIGHT_CPU, FINISH, FEW, FOLD)}
