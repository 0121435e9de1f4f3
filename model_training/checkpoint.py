"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file."""

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

# Keras' callbacks forget these between two calls of `fit`, and BackupAndRestore does not keep them.
_CALLBACK_STATE = ("wait", "best", "best_epoch", "cooldown_counter", "stopped_epoch")


def save_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    callbacks: dict[str, keras.callbacks.Callback],
    progress: dict[str, Any],
) -> None:
    """Write a checkpoint to a new file, then rename it: a kill leaves the old one or the new one.

    Args:
        path: Where the checkpoint will be, `*.npz`.
        model: Its variables are saved: weights, moving statistics, state of random layers.
        optimizer: Its variables are saved: moments, moving average, learning rate, step count.
        callbacks: Keras callbacks by name, whose counters are saved.
        progress: JSON-compatible: finished epochs, history, seed.
    """
    state = {
        "progress": progress,
        "callbacks": {
            name: {
                key: _plain(getattr(callback, key))
                for key in _CALLBACK_STATE
                if hasattr(callback, key)
            }
            for name, callback in callbacks.items()
        },
    }
    arrays = {f"model/{i:04}": v.numpy() for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer/{i:04}": v.numpy() for i, v in enumerate(optimizer.variables)}
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def restore_checkpoint(
    path: Path,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    callbacks: dict[str, keras.callbacks.Callback],
) -> dict[str, Any]:
    """Put a checkpoint back into objects that were built by the same recipe.

    Args:
        path: Written by `save_checkpoint`.
        model: Its weights are overwritten.
        optimizer: Built for the model's trainable variables; its variables are overwritten.
        callbacks: After `on_train_begin`, which resets counters; these are overwritten. Empty to
            leave them out.

    Returns:
        The `progress` that was saved.

    Raises:
        ValueError: The number or the shape of the variables does not fit.
    """
    with path.open("rb") as opened, np.load(opened) as file:
        state = json.loads(str(file["state"]))
        for group, variables in (("model", model.variables), ("optimizer", optimizer.variables)):
            saved = sorted(name for name in file.files if name.startswith(f"{group}/"))
            if len(saved) != len(variables):
                raise ValueError(
                    f"checkpoint {path} holds {len(saved)} {group} variables, "
                    f"this recipe has {len(variables)}"
                )
            for name, variable in zip(saved, variables, strict=True):
                variable.assign(file[name])
    for name, callback in callbacks.items():
        for key, value in state["callbacks"][name].items():
            setattr(callback, key, value)
    progress: dict[str, Any] = state["progress"]
    return progress


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
