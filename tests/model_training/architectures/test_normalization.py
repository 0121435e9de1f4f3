"""The fused layer against Keras' own, in the same places of the same networks."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from model_training.architectures.normalization import BatchNormalization, with_fused_normalization


def _step(layer: keras.layers.Layer, image: Any) -> tuple[Any, ...]:
    with tf.GradientTape() as tape:
        tape.watch(image)
        loss = tf.reduce_sum(tf.sin(layer(image, training=True)))
    return (*tape.gradient(loss, (image, layer.gamma, layer.beta)), layer.moving_mean.value)


def test_a_training_step_is_that_of_keras() -> None:
    image = tf.constant(np.random.default_rng(0).normal(3, 2, (4, 16, 16, 5)).astype(np.float32))
    fused, composed = (
        BatchNormalization(momentum=0.5),
        keras.layers.BatchNormalization(momentum=0.5),
    )

    for mine, theirs in zip(_step(fused, image), _step(composed, image), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)
    count = 4 * 16 * 16
    moved = composed.moving_variance.numpy() - 0.5  # momentum 0.5 of an initial 1
    expected = 0.5 + moved * count / (count - 1)
    np.testing.assert_allclose(fused.moving_variance, expected, rtol=1e-5)


def test_it_infers_with_its_moving_statistics() -> None:
    layer = BatchNormalization(momentum=0.0)
    image = np.random.default_rng(1).normal(3, 2, (2, 8, 8, 3)).astype(np.float32)
    layer(image, training=True)

    assert np.mean(layer(image, training=False)) == pytest.approx(0.0, abs=1e-4)
    assert np.mean(layer(image + 1.0, training=False)) > 0.1


def test_a_frozen_layer_keeps_its_statistics() -> None:
    layer = BatchNormalization()
    layer.build((None, 4, 4, 3))
    layer.trainable = False

    layer(np.full((1, 4, 4, 3), 7, np.float32), training=True)

    assert not layer.moving_mean.numpy().any()


def test_a_copied_network_computes_the_same_and_keeps_its_names() -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3), name="image")
    features = keras.layers.Conv2D(4, 3, name="first")(image)
    features = keras.layers.BatchNormalization(momentum=0.9, name="second")(features)
    model = keras.Model(image, features, name="small")
    example = np.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype(np.float32)

    fused = with_fused_normalization(model)

    np.testing.assert_array_equal(fused(example), model(example))
    assert [layer.name for layer in fused.layers] == [layer.name for layer in model.layers]
    assert isinstance(fused.get_layer("second"), BatchNormalization)
    assert fused.get_layer("second").momentum == 0.9
