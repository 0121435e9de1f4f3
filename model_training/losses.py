"""Loss functions: logits and binary targets to one number."""

from typing import Any

import tensorflow as tf

SMOOTHING = 1e-15
"""The tutorial's smoothing: an empty mask that is predicted empty costs nothing."""


def soft_dice(probability: Any, target: Any) -> Any:
    """Return the Dice coefficient of the whole batch taken as one flat image.

    Reference: Milletari et al., "V-Net", 3DV 2016 (here without squares, as in the tutorial).

    Args:
        probability: float32 `[N, H, W, 1]` in [0, 1].
        target: float32 `[N, H, W, 1]`, 0 or 1.

    Returns:
        A float32 scalar in [0, 1].
    """
    overlap = tf.reduce_sum(probability * target)
    total = tf.reduce_sum(probability) + tf.reduce_sum(target)
    return (2.0 * overlap + SMOOTHING) / (total + SMOOTHING)


def dice_loss(logits: Any, target: Any) -> Any:
    """Return 1 - `soft_dice` of the logits' sigmoid; shapes as there."""
    return 1.0 - soft_dice(tf.sigmoid(logits), target)
