"""The published tutorial's U-Net, as it was: the baseline that everything is compared with."""

import keras
from keras import layers

from model_training.architectures.encoder import mobilenet_v2_encoder
from model_training.architectures.normalization import BatchNormalization

SKIPS = ("input_image", "block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu")
BOTTOM = "block_13_expand_relu"
DECODER_CHANNELS = (64, 48, 32, 16)


def tutorial_unet(height: int, width: int, *, encoder_weights: str | None = None) -> keras.Model:
    """Build a U-Net on MobileNetV2 of width 0.35 with 416,209 parameters.

    The decoder upsamples by nearest neighbour, concatenates the skip and applies two 3x3
    convolutions with bias, batch normalisation and ReLU.

    References:
        Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation",
        MICCAI 2015; the encoder's paper is named in `encoder.py`.

    Args:
        height: Input height in pixels, a multiple of 16.
        width: Input width in pixels, a multiple of 16.
        encoder_weights: See `mobilenet_v2_encoder`.

    Returns:
        A model from `[N, height, width, 3]` RGB in [0, 255] to logits float32
        `[N, height, width, 1]`.
    """
    image = keras.Input((height, width, 3), name="image")
    scaled = layers.Rescaling(1 / 255, name="scale")(image)
    encoder = mobilenet_v2_encoder(
        height, width, alpha=0.35, taps=(*SKIPS, BOTTOM), weights=encoder_weights
    )
    *skips, features = encoder(scaled)

    for channels, skip in zip(DECODER_CHANNELS, reversed(skips), strict=True):
        features = layers.UpSampling2D(interpolation="nearest")(features)
        features = layers.Concatenate()([features, skip])
        for _ in range(2):
            features = layers.Conv2D(channels, 3, padding="same")(features)
            features = BatchNormalization()(features)
            features = layers.ReLU()(features)

    # The sigmoid belongs to the loss and to the exported graph: both are exact on logits.
    logits = layers.Conv2D(1, 1, dtype="float32", name="logits")(features)
    return keras.Model(image, logits, name="tutorial_unet")
