"""The input pipeline: examples in a fixed order, and epochs whose order can be made again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.imaging import resize
from model_training.datasets.frame import MASK_LEVEL, Frame

Augment = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(image uint8 `[h, w, 3]`, mask uint8 `[h, w]`, seed int32 `[2]`) -> (image, mask), as tensors."""


def working_size(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bring an image and its mask to the size that the network sees.

    Args:
        image: uint8 `[H, W, 3]`.
        mask: uint8 `[H, W]`, 0 or 255.
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        The image, uint8 `[height, width, 3]`, and the mask, uint8 `[height, width]`, 0 or 255:
        resized like the image and thresholded, so that a pixel is set when most of it is covered.
    """
    grey = resize(mask, height, width)
    return resize(image, height, width), np.where(grey > MASK_LEVEL, np.uint8(255), np.uint8(0))


def examples(source: Sequence[Frame], height: int, width: int) -> Any:
    """Make the data set of examples; each is decoded once and then kept in memory.

    Args:
        source: Frames.
        height: Rows of each example.
        width: Columns of each example.

    Returns:
        A `tf.data.Dataset` of (image uint8 `[height, width, 3]`, mask uint8 `[height, width]`, 0 or
        1), in the order of the source. Epochs made from the same object share what it keeps.
    """
    frames = tuple(source)

    def load(index: np.int64) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        frame = frames[index]
        image, mask = working_size(frame.read_image(), frame.read_mask(), height, width)
        return image, np.asarray(mask // 255, np.uint8)

    def example(index: Any) -> tuple[Any, Any]:
        image, mask = tf.numpy_function(load, [index], (tf.uint8, tf.uint8), stateful=False)
        return tf.ensure_shape(image, (height, width, 3)), tf.ensure_shape(mask, (height, width))

    indices = tf.data.Dataset.range(len(frames))
    return indices.map(example, tf.data.AUTOTUNE, deterministic=True).cache()


def epoch(
    examples: Any,
    *,
    size: int,
    batch: int,
    seed: int,
    epoch: int,
    drop_remainder: bool = False,
    augment: Augment | None = None,
) -> Any:
    """Make one epoch; its order and its augmentation derive from `seed` and `epoch` alone.

    Args:
        examples: What `examples` returned.
        size: Number of examples; the shuffle covers all of them.
        batch: Examples in a batch.
        seed: The run's seed, not negative.
        epoch: Number of the epoch, not negative.
        drop_remainder: Leave a last, smaller batch out.
        augment: Mapped over the examples, with a seed of its own for each.

    Returns:
        A `tf.data.Dataset` of (images uint8 `[N, h, w, 3]`, masks uint8 `[N, h, w]`, 0 or 1).
    """
    order, augmentation = np.random.SeedSequence([seed, epoch]).spawn(2)
    dataset = examples
    if augment is not None:
        seeds = augmentation.generate_state(2 * size).astype(np.int32).reshape(size, 2)
        dataset = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(seeds))
    dataset = _shuffle(dataset, size, int(order.generate_state(1)[0]))
    if augment is not None:
        dataset = dataset.map(
            lambda pair, seed: augment(pair[0], pair[1], seed), tf.data.AUTOTUNE, deterministic=True
        )
    options = tf.data.Options()
    options.deterministic = True
    dataset = dataset.batch(batch, drop_remainder=drop_remainder).prefetch(tf.data.AUTOTUNE)
    return dataset.with_options(options)


def _shuffle(dataset: Any, size: int, seed: int) -> Any:
    # TensorFlow mixes a global seed into that of a shuffle. A function's graph has its own, so that
    # the order does not depend on who has called tf.random.set_seed before.
    @tf.function(autograph=False)
    def shuffle() -> Any:
        tf.random.set_seed(0)
        return dataset.shuffle(max(size, 1), seed, reshuffle_each_iteration=False)

    return shuffle()
