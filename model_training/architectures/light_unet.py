"""Light U-Nets: a wide encoder, a separable decoder, and an output at a quarter of the size."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from model_training.architectures.encoder import mobilenet_v2_encoder
from model_training.architectures.normalization import BatchNormalization

SKIPS = ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
BOTTOM = "block_16_project"


def light_unet(
    height: int,
    width: int,
    *,
    alpha: float,
    channels: Sequence[int],
    encoder_weights: str | None = None,
) -> keras.Model:
    """Build a U-Net whose decoder costs less than its MobileNetV2 encoder.

    95 % of the tutorial's arithmetic sits in the full convolutions of its decoder, most of it at
    half and full resolution. Here each skip is first reduced by a 1x1 convolution, convolutions are
    separable, and the decoder ends at stride 4; the logits are enlarged bilinearly, which is what
    the service does with the map anyway.

    References:
        Lin et al., "Feature Pyramid Networks", CVPR 2017 (lateral 1x1 reductions);
        Chen et al., "DeepLabv3+", ECCV 2018 (separable decoder, image-level pooling, stride 4).

    Args:
        height: Input height in pixels, a multiple of 32.
        width: Input width in pixels, a multiple of 32.
        alpha: Width of the encoder.
        channels: Of the decoder's feature maps at strides 16, 8 and 4. The last costs the most time
            and the first the least.
        encoder_weights: See `mobilenet_v2_encoder`.

    Returns:
        A model from `[N, height, width, 3]` RGB in [0, 255] to logits float32
        `[N, height, width, 1]`.
    """
    image = keras.Input((height, width, 3), name="image")
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale", dtype="float32")(image)
    encoder = mobilenet_v2_encoder(
        height, width, alpha=alpha, taps=(*SKIPS, BOTTOM), weights=encoder_weights
    )
    *skips, bottom = encoder(scaled)

    features = _image_context(bottom, channels[0])
    for skip, width_here in zip(reversed(skips), channels, strict=True):
        # In float32: XLA's gradient of a bilinear resize knows no other type.
        features = layers.UpSampling2D(interpolation="bilinear", dtype="float32")(features)
        features = layers.Concatenate()([features, _reduce(skip, width_here)])
        for _ in range(2):
            features = _separable(features, width_here)

    features = layers.SpatialDropout2D(0.1)(features)
    logits = layers.Conv2D(1, 1, dtype="float32", name="quarter_logits")(features)
    logits = layers.UpSampling2D(4, interpolation="bilinear", dtype="float32", name="logits")(
        logits
    )
    model = keras.Model(image, logits, name="light_unet")
    _shorten_memory(model)
    return model


polyp_unet = partial(light_unet, alpha=1.0, channels=(96, 48, 24))
polyp_unet_lite = partial(light_unet, alpha=0.35, channels=(64, 32, 16))


def _image_context(features: Any, channels: int) -> Any:
    """Reduce the bottom and add what the image as a whole looks like."""
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(features)
    pooled = layers.Conv2D(channels, 1, activation="relu")(pooled)
    return layers.Add()([_reduce(features, channels), pooled])


def _reduce(features: Any, channels: int) -> Any:
    features = layers.Conv2D(channels, 1, use_bias=False)(features)
    features = BatchNormalization()(features)
    return layers.ReLU()(features)


def _separable(features: Any, channels: int) -> Any:
    features = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(features)
    features = BatchNormalization()(features)
    return _reduce(features, channels)


def _shorten_memory(model: keras.Model) -> None:
    # Keras builds MobileNetV2 with a momentum of 0.999: on a data set of this size the moving
    # statistics would trail thousands of steps behind the weights.
    for layer in (*model.layers, *model.get_layer("encoder").layers):
        if isinstance(layer, BatchNormalization):
            layer.momentum = 0.95
