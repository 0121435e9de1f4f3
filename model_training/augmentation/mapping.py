"""Augmentation as a step of a tf.data pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model_training.augmentation.augmentation import Augmentation
from model_training.augmentation.pixels import Pixels

TensorMap = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(example, donor, seed int32 `[2]`) -> example; an example is (image, mask), as tensors."""


def generator(seed: NDArray[np.int32]) -> np.random.Generator:
    """Return the generator that a seed stands for.

    Args:
        seed: int32 `[2]`, any values.

    Returns:
        A generator that depends on nothing else.
    """
    return np.random.default_rng(np.ascontiguousarray(seed, np.int32).view(np.uint32))


def as_map(augmentation: Augmentation) -> TensorMap:
    """Return the function for `tf.data.Dataset.map`.

    Every choice derives from the seed, so that any example of any epoch can be made again. Most
    of the work is done by OpenCV, which lets go of the interpreter: parallel calls pay.

    Args:
        augmentation: What to apply.

    Returns:
        A function of an example, image uint8 `[h, w, 3]` and mask uint8 `[h, w]` (0 or 1), another
        example of the same shapes to take from, and a seed int32 `[2]`, that gives image and mask
        of the same static shapes.
    """

    def augment(
        image: Pixels, mask: Pixels, other: Pixels, marked: Pixels, seed: NDArray[np.int32]
    ) -> tuple[Pixels, Pixels]:
        return augmentation(image, mask, generator(seed), (other, marked))

    @tf.autograph.experimental.do_not_convert
    def apply(example: Any, donor: Any, seed: Any) -> tuple[Any, Any]:
        # Not stateful: the seed decides everything. Under `enable_op_determinism` tf.data would
        # run a stateful function one call at a time.
        made = tf.numpy_function(
            augment, (*example, *donor, seed), (tf.uint8, tf.uint8), stateful=False
        )
        made[0].set_shape(example[0].shape)
        made[1].set_shape(example[1].shape)
        return made[0], made[1]

    mapping: TensorMap = apply
    return mapping
