"""Batch statistics for weights that were not trained with the ones at hand."""

from typing import Any

import keras
import tensorflow as tf


def estimate_batch_statistics(model: keras.Model, batches: Any) -> None:
    """Set the moving statistics of batch normalisation to the means over batches.

    Averaged weights need it: the moving statistics are those of the weights that trained.

    Reference: Izmailov et al., "Averaging Weights Leads to Wider Optima", UAI 2018, section 3.2.

    Args:
        model: Its statistics are overwritten.
        batches: Of (images uint8 `[N, H, W, 3]`, anything).
    """
    layers = [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - Keras has no public walk
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [layer.momentum for layer in layers]
    for count, (image, _) in enumerate(batches):
        for layer in layers:
            layer.momentum = count / (count + 1)  # makes the moving average a plain mean
        model(tf.cast(image, tf.float32), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
