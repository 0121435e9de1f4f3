"""Training on from a bundle: its weights in a network, and the frames that this allows."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.inference.bundle import Bundle, load_bundle
from model_training.source import Source, keys


class StartError(Exception):
    """A run cannot start from a bundle; the message is one sentence that says why."""


def open_start(path: Path, source: Source) -> Bundle:
    """Read the bundle that a run is to start from.

    What a bundle was trained on stays in its weights. The new run's manifest must name those frames
    as well, or a later evaluation would take them for unseen ones. Frames that chose a bundle may
    train a run that holds none out.

    Args:
        path: Folder of one version, such as `models/polyp-unet/1`.
        source: What the new run reads.

    Raises:
        StartError: The bundle was trained on frames that this run does not train on, or chosen by
            frames that it does not hold out, if it holds any out.
        app.inference.BundleError: There is no sound bundle.
    """
    bundle = load_bundle(path.parent, path.name)
    training = bundle.manifest.training
    trains, validates = set(keys(source.train)), set(keys(source.validation))
    held_out = set(training.validation_frames)
    foreign = {
        "train": set(training.train_frames) - trains | (set() if validates else held_out - trains),
        "validate": held_out - validates if validates else set(),
    }
    for verb, frames in foreign.items():
        if frames:
            raise StartError(
                f"{path} is of split {training.split}: {len(frames)} of its frames are not among "
                f"those that this run would {verb} on, such as {min(frames)}."
            )
    return bundle


def bundle_weights(model: keras.Model, bundle: Bundle) -> list[NDArray[np.float32]]:
    """Read the weights of a bundle's SavedModel.

    Args:
        model: A fresh network of the architecture that the bundle was exported from, whose weights
            are overwritten; the input size may differ.
        bundle: Written by `export`.

    Returns:
        What `model.set_weights` takes.

    Raises:
        StartError: The architectures differ.
    """
    try:
        checkpoint = tf.train.Checkpoint(_model=model)  # the name is that of `export.Served`
        status = checkpoint.read(str(bundle.path / "variables" / "variables"))
        status.assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise StartError(f"{bundle.path} holds another architecture than {model.name}.") from error
    weights: list[NDArray[np.float32]] = model.get_weights()
    return weights
