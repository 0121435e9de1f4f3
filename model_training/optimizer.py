"""A recipe's optimizer and its learning rate schedule."""

from typing import Any

import keras

from model_training.recipes import OPTIMIZERS, Recipe


def make_optimizer(recipe: Recipe, *, steps: int, replicas: int = 1) -> keras.optimizers.Optimizer:
    """Make the optimizer of a recipe, without variables yet.

    Args:
        recipe: What to make.
        steps: In an epoch; they scale the schedule.
        replicas: Number of devices, each of which hands in its part of one sum of gradients: equal
            parts, which are clipped before they are added.
    """
    settings: dict[str, Any] = {
        "learning_rate": _learning_rate(recipe, steps),
        "global_clipnorm": recipe.clip_norm and recipe.clip_norm / replicas,
    }
    if recipe.weight_decay is not None:
        settings["weight_decay"] = recipe.weight_decay
    if recipe.ema is not None:
        settings |= {"use_ema": True, "ema_momentum": recipe.ema}
    return OPTIMIZERS[recipe.optimizer](**settings)


def _learning_rate(recipe: Recipe, steps: int) -> Any:
    if recipe.warmup_epochs is None:
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=recipe.warmup_epochs * steps,
        decay_steps=(recipe.epochs - recipe.warmup_epochs) * steps,
    )
