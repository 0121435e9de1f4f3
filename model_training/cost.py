"""What a network costs: its parameters and the arithmetic of one image."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2_as_graph,
)


def gflop(model: keras.Model) -> float:
    """Count the arithmetic of one image, as TensorFlow's own profiler does.

    Args:
        model: With a fixed input height and width.

    Returns:
        10^9 floating-point operations; a multiplication and an addition count as two.
    """
    shape = (1, *model.input_shape[1:])
    forward: Any = tf.function(lambda image: model(image, training=False))
    concrete = forward.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    _, graph_definition = convert_variables_to_constants_v2_as_graph(concrete)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_definition, name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        counted = tf.compat.v1.profiler.profile(graph, cmd="op", options=options)
    return float(counted.total_float_ops) / 1e9
