"""The tutorial's network is the published one, weight for weight."""

import keras
import numpy as np

from model_training.architectures import ARCHITECTURES
from model_training.cost import gflop


def test_the_tutorial_unet_has_the_published_number_of_parameters() -> None:
    model = ARCHITECTURES["tutorial_unet"](256, 256)

    assert model.count_params() == 416_209
    assert model.input_shape == (None, 256, 256, 3)
    assert model.output_shape == (None, 256, 256, 1)


def test_gflop_counts_a_convolution_as_multiplications_and_additions() -> None:
    image = keras.Input((16, 16, 3))
    model = keras.Model(image, keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image))

    assert gflop(model) == 2 * 16 * 16 * 8 * 3 * 3 * 3 / 1e9


def test_the_scale_is_part_of_the_network() -> None:
    model = ARCHITECTURES["tutorial_unet"](32, 32)
    scale = keras.Model(model.input, model.get_layer("scale").output)

    white = scale(np.full((1, 32, 32, 3), 255, np.float32))

    np.testing.assert_allclose(white, 1.0)
