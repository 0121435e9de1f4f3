"""The light networks cost what they promise and keep the contract of all architectures."""

import keras
import numpy as np
import pytest

from model_training.architectures import ARCHITECTURES
from model_training.cost import gflop


@pytest.mark.parametrize(
    ("name", "parameters", "most_gflop"),
    [("polyp_unet", 5_000_000, 1.1), ("polyp_unet_lite", 500_000, 0.25)],
)
def test_it_is_light(name: str, parameters: int, most_gflop: float) -> None:
    model = ARCHITECTURES[name](256, 256)

    assert model.count_params() < parameters
    assert gflop(model) < most_gflop
    assert model.output_shape == (None, 256, 256, 1)


def test_statistics_follow_the_weights_and_the_mean_pixel_is_zero() -> None:
    model = ARCHITECTURES["polyp_unet_lite"](64, 64)

    momenta = {
        layer.momentum
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    scale = keras.Model(model.input, model.get_layer("scale").output)
    grey = scale(np.full((1, 64, 64, 3), 127.5, np.float32))

    assert momenta == {0.95}
    np.testing.assert_allclose(grey, 0.0, atol=1e-6)
