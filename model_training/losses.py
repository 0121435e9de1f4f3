"""Loss functions: logits and binary targets to one number."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

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


def boundary_loss(logits: Any, target: Any) -> Any:
    """Return cross-entropy plus soft IoU, both weighted towards the boundary of the mask.

    A pixel weighs 1, and up to 5 more the more its neighbourhood differs from it.

    Reference: Wei et al., "F3Net", AAAI 2020, as used by Fan et al., "PraNet", MICCAI 2020. There
    the neighbourhood is 31 pixels wide in images of 352; it is the same fraction here.

    Args:
        logits: float32 `[N, H, W, 1]`.
        target: float32 `[N, H, W, 1]`, 0 or 1.

    Returns:
        A float32 scalar, the mean over the images.
    """
    side = max(int(target.shape[1]) * 31 // 352, 1) | 1
    weight = 1.0 + 5.0 * tf.abs(_local_mean(target, side) - target)

    image = (1, 2, 3)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
    entropy = tf.reduce_sum(weight * entropy, image) / tf.reduce_sum(weight, image)
    probability = tf.sigmoid(logits)
    overlap = tf.reduce_sum(weight * probability * target, image)
    total = tf.reduce_sum(weight * (probability + target), image)
    iou = (overlap + 1.0) / (total - overlap + 1.0)
    return tf.reduce_mean(entropy + 1.0 - iou)


def dice_loss(logits: Any, target: Any) -> Any:
    """Return 1 - `soft_dice` of the logits' sigmoid; shapes as there."""
    return 1.0 - soft_dice(tf.sigmoid(logits), target)


def _local_mean(image: Any, side: int) -> Any:
    # Products with band matrices: TensorFlow's pooling of one channel took a fifth of a CPU step.
    height, width = int(image.shape[1]), int(image.shape[2])
    rows = tf.einsum("ij,njwc->niwc", _band(height, side), image)
    return tf.einsum("niwc,vw->nivc", rows, _band(width, side))


def _band(size: int, side: int) -> NDArray[np.float32]:
    """Return `[size, size]`: row i is the mean of the up to `side` elements around i."""
    position = np.arange(size)
    near = np.abs(position[:, None] - position) <= side // 2
    return np.asarray(near / near.sum(axis=1, keepdims=True), np.float32)
