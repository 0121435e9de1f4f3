"""Batch statistics for weights that were not trained with the ones at hand."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def estimate_batch_statistics(model: keras.Model, batches: Any) -> None:
    """Set the moving statistics of batch normalisation to the means over batches.

    Averaged weights need it: the moving statistics are those of the weights that trained.

    Reference: Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018, section 3.2.

    Args:
        model: Its statistics are overwritten.
        batches: Of (images uint8 `[N, H, W, 3]`, anything).
    """
    layers = _normalisations(model)
    statistics = [value for layer in layers for value in (layer.moving_mean, layer.moving_variance)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # what is left after a batch is that batch's own statistics

    @tf.function(reduce_retracing=True)
    def observe(image: Any) -> Any:
        return model(tf.cast(image, tf.float32), training=True)

    means = [np.zeros(value.shape, np.float64) for value in statistics]
    for count, (image, _) in enumerate(batches, start=1):
        observe(image)
        for mean, value in zip(means, statistics, strict=True):
            mean += (value.numpy() - mean) / count
    for mean, value in zip(means, statistics, strict=True):
        value.assign(mean)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def moving_statistics(model: keras.Model) -> list[Any]:
    """Return the moving statistics that training changes: those of layers that are not frozen."""
    layers = [layer for layer in _normalisations(model) if layer.trainable]
    return [value for layer in layers for value in (layer.moving_mean, layer.moving_variance)]


def _normalisations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - Keras has no public walk
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
