"""Named network architectures, all from RGB in [0, 255] to logits of the same height and width."""

from typing import Protocol

import keras

from model_training.architectures.light_unet import polyp_unet, polyp_unet_lite
from model_training.architectures.tutorial_unet import tutorial_unet


class Architecture(Protocol):
    """Builds a network for an input size; `encoder_weights` as in `mobilenet_v2_encoder`."""

    def __call__(
        self, height: int, width: int, *, encoder_weights: str | None = None
    ) -> keras.Model:
        """Build the network with its initial weights."""
        ...


ARCHITECTURES: dict[str, Architecture] = {
    "polyp_unet": polyp_unet,
    "polyp_unet_lite": polyp_unet_lite,
    "tutorial_unet": tutorial_unet,
}
