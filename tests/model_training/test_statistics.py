"""Batch statistics that are estimated anew are the means over the batches."""

import keras
import numpy as np
import tensorflow as tf

from model_training.statistics import estimate_batch_statistics


def test_statistics_become_the_means_over_the_batches() -> None:
    image = keras.Input((4, 4, 3))
    normalisation = keras.layers.BatchNormalization(momentum=0.999)
    model = keras.Model(image, normalisation(image))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    batches = tf.data.Dataset.from_tensor_slices((pixels, pixels)).batch(2)

    estimate_batch_statistics(model, batches)

    groups = pixels.reshape(3, 2 * 4 * 4, 3).astype(np.float64)
    np.testing.assert_allclose(
        normalisation.moving_mean, groups.mean(axis=1).mean(axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        normalisation.moving_variance, groups.var(axis=1).mean(axis=0), rtol=1e-5
    )
    assert normalisation.momentum == 0.999
