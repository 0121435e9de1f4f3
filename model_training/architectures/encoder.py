"""The MobileNetV2 encoder that every architecture shares."""

from collections.abc import Sequence

import keras

from model_training.architectures.normalization import with_fused_normalization


class EncoderWeightsError(Exception):
    """The encoder's initial weights cannot be had; the message is one line."""


def mobilenet_v2_encoder(
    height: int,
    width: int,
    *,
    alpha: float,
    taps: Sequence[str],
    weights: str | None,
) -> keras.Model:
    """Build MobileNetV2 up to the deepest tap.

    Reference: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.

    Args:
        height: Input height in pixels.
        width: Input width in pixels.
        alpha: Width multiplier; 0.35, 0.5, 0.75, 1.0, 1.3 or 1.4 have ImageNet weights.
        taps: Names of the layers whose outputs are returned; `input_image` is the input itself.
        weights: `"imagenet"` (downloaded by Keras), a path to a `.weights.h5` file without the
            classifier, or `None` for random initial weights.

    Returns:
        A model from float32 `[N, height, width, 3]` to the list of tapped feature maps.

    Raises:
        EncoderWeightsError: The weights cannot be downloaded, read, or are of another width.
    """
    image = keras.Input((height, width, 3), name="input_image")
    try:
        backbone = keras.applications.MobileNetV2(
            input_tensor=image, alpha=alpha, include_top=False, weights=weights
        )
    except Exception as error:  # Keras raises nothing narrower when a download fails
        if weights is None:
            raise
        cause = str(error).split("\n", maxsplit=1)[0]
        raise EncoderWeightsError(
            f"'{weights}' gives no weights for a MobileNetV2 of width {alpha:g}: {cause}"
        ) from error
    outputs = [backbone.get_layer(name).output for name in taps]
    return with_fused_normalization(keras.Model(image, outputs, name="encoder"))
