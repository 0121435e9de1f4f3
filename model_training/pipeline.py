"""The input pipeline: examples in a fixed order, and epochs whose order can be made again."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.imaging import ImageError
from model_training.datasets import DatasetError, Frame, working_size
from model_training.shards import ShardPart
from model_training.shards.record import decode_record, parse_record

# Fixed, where TensorFlow offers to tune: the examples are in memory, there is nothing to gain.
_PARALLEL = len(os.sched_getaffinity(0))
_PREFETCH = 4

Example = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Image uint8 `[h, w, 3]` and mask uint8 `[h, w]`, 0 or 1."""

Augment = Callable[[Any, Any, Any], tuple[Any, Any]]
"""(example, another one, seed int32 `[2]`) -> example; an example is a pair of tensors, image uint8
`[h, w, 3]` and mask uint8 `[h, w]`."""


def examples(
    source: Sequence[Frame] | ShardPart, height: int, width: int, *, cropped: bool = False
) -> Any:
    """Make the data set of examples; each is decoded once and then kept in memory.

    Args:
        source: Frames, or one role of a folder of shards.
        height: Rows of each example.
        width: Columns of each example.
        cropped: Frames are cut to their field of view.

    Returns:
        A `tf.data.Dataset` of (image uint8 `[height, width, 3]`, mask uint8 `[height, width]`, 0 or
        1), in the order of the source. Epochs made from the same object share what it keeps. Frames
        that cannot be decoded end the iteration with a `tf.errors.OpError` that names the first.
    """
    if isinstance(source, ShardPart):
        files = tf.constant([str(path) for path in source.files], tf.string)
        elements = tf.data.TFRecordDataset(files).map(parse_record)
        elements = elements.apply(tf.data.experimental.assert_cardinality(len(source)))
        load = partial(load_record, height=height, width=width, cropped=cropped)
    else:
        elements = tf.data.Dataset.range(len(source))
        load = partial(load_frame, tuple(source), height=height, width=width, cropped=cropped)

    @tf.autograph.experimental.do_not_convert
    def example(*element: Any) -> tuple[Any, Any]:
        image, mask = tf.numpy_function(load, element, (tf.uint8, tf.uint8), stateful=False)
        return tf.ensure_shape(image, (height, width, 3)), tf.ensure_shape(mask, (height, width))

    options = tf.data.Options()
    # There is nothing to tune, and the thread that would do so can sleep for most of a minute
    # before it notices that an epoch is over and lets go of it.
    options.autotune.enabled = False
    return elements.map(example, _PARALLEL, deterministic=True).cache().with_options(options)


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
        augment: Mapped over the examples, with the example before in the epoch's order (the first
            has an empty one) and a seed of its own for each.

    Returns:
        A `tf.data.Dataset` of (images uint8 `[N, h, w, 3]`, masks uint8 `[N, h, w]`, 0 or 1).

    Raises:
        ValueError: If `size` is not the number of examples.
    """
    count = int(examples.cardinality())
    if count != size:
        raise ValueError(f"size is {size}; the data set has {count} examples.")
    order, augmentation = np.random.SeedSequence([seed, epoch]).spawn(2)
    dataset = examples
    if augment is not None:
        seeds = augmentation.generate_state(2 * size).astype(np.int32).reshape(size, 2)
        dataset = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(seeds))
    dataset = _shuffle(dataset, size, int(order.generate_state(1)[0]))
    if augment is not None:
        dataset = dataset.scan(_nothing(examples), _beside_the_one_before)
        dataset = dataset.map(augment, _PARALLEL, deterministic=True)
    options = tf.data.Options()
    options.deterministic = True
    dataset = dataset.batch(batch, drop_remainder=drop_remainder).prefetch(_PREFETCH)
    return dataset.with_options(options)


def load_frame(
    frames: Sequence[Frame], index: int, *, height: int, width: int, cropped: bool = False
) -> Example:
    """Decode and resize one of the frames.

    Returns:
        Image uint8 `[height, width, 3]` and mask uint8 `[height, width]`, 0 or 1.

    Raises:
        DatasetError: If it cannot be decoded; names the frame.
    """
    frame = frames[index]
    try:
        image, mask = working_size(
            frame.read_image(), frame.read_mask(), height, width, cropped=cropped
        )
    except (ImageError, OSError) as error:
        raise DatasetError(f"{frame.key}: {error}") from error
    return image, np.asarray(mask // 255, np.uint8)


def load_record(
    image: bytes, mask: bytes, *, height: int, width: int, cropped: bool = False
) -> Example:
    """Decode and resize what a record of a shard holds; returns what `load_frame` does."""
    pixels, target = working_size(*decode_record(image, mask), height, width, cropped=cropped)
    return pixels, np.asarray(target // 255, np.uint8)


def _nothing(examples: Any) -> tuple[Any, Any]:
    image, mask = examples.element_spec
    return tf.zeros(image.shape, image.dtype), tf.zeros(mask.shape, mask.dtype)


def _beside_the_one_before(before: Any, drawn: tuple[Any, Any]) -> tuple[Any, Any]:
    example, seed = drawn
    return example, (example, before, seed)


def _shuffle(dataset: Any, size: int, seed: int) -> Any:
    # TensorFlow mixes a global seed into that of a shuffle. A function's graph has its own, so that
    # the order does not depend on who has called tf.random.set_seed before.
    @tf.function(autograph=False)
    def shuffle() -> Any:
        tf.random.set_seed(0)
        return dataset.shuffle(max(size, 1), seed, reshuffle_each_iteration=False)

    return shuffle.get_concrete_function()()
