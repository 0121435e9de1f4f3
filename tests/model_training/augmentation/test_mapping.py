"""tf.data gives what NumPy gives, in any order and with any parallelism."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from model_training.augmentation import PATIENTS, ROBUST, as_map, generator
from tests.model_training.augmentation.drawn import blob, flat

SEEDS = np.array([[0, 0], [0, 1], [1, 0], [-1, 5], [2**31 - 1, -(2**31)], [7, 7]], np.int32)
GREY = flat(100, 96, 128), np.zeros((96, 128), np.uint8)
GRAFTED = replace(ROBUST, graft=PATIENTS.graft)


def dataset(parallel: int) -> Any:
    seeds = tf.data.Dataset.from_tensor_slices(SEEDS)
    examples = tf.data.Dataset.from_tensors((GREY, blob(96, 128))).repeat(len(SEEDS))
    return tf.data.Dataset.zip(examples, seeds).map(
        lambda pair, seed: as_map(GRAFTED)(pair[0], pair[1], seed), parallel, deterministic=True
    )


@pytest.mark.parametrize("parallel", [1, 4])
def test_tensorflow_gives_what_numpy_gives(parallel: int) -> None:
    made = list(dataset(parallel).as_numpy_iterator())
    assert len(made) == len(SEEDS)
    for (got, target), seed in zip(made, SEEDS, strict=True):
        wanted = GRAFTED(GREY[0], GREY[1], generator(seed), blob(96, 128))
        np.testing.assert_array_equal(got, wanted[0])
        np.testing.assert_array_equal(target, wanted[1])
    assert any(target.any() for _, target in made)  # the other example's polyp has come over


def test_a_second_epoch_of_the_same_seeds_is_the_same() -> None:
    made = dataset(4)
    for (one, _), (other, _) in zip(
        made.as_numpy_iterator(), made.as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_shapes_are_static() -> None:
    image, mask = dataset(1).element_spec
    assert image == tf.TensorSpec((96, 128, 3), tf.uint8)
    assert mask == tf.TensorSpec((96, 128), tf.uint8)


def test_the_operation_is_stateless() -> None:
    """A stateful one would run one call at a time where operations must be deterministic."""
    example = tf.TensorSpec((8, 8, 3), tf.uint8), tf.TensorSpec((8, 8), tf.uint8)
    function = tf.function(as_map(ROBUST)).get_concrete_function(
        example, example, tf.TensorSpec((2,), tf.int32)
    )
    operations = [one.type for one in function.graph.get_operations()]
    assert "PyFuncStateless" in operations
    assert not any(one.op_def.is_stateful for one in function.graph.get_operations() if one.outputs)


def test_every_bit_of_a_seed_counts() -> None:
    def drawn(*seed: int) -> NDArray[np.float64]:
        return generator(np.array(seed, np.int32)).random(4)

    streams = [drawn(*seed) for seed in ((1, 2), (2, 1), (-1, 2), (1, -2), (1 << 30, 2))]
    assert len({stream.tobytes() for stream in streams}) == 5
    np.testing.assert_array_equal(drawn(1, 2), drawn(1, 2))
