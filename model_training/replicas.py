"""Replicas: copies of a network, one a device, that share each batch."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class ReplicasError(Exception):
    """A batch cannot be shared; the message is one sentence that says why."""


class Replicas:
    """The devices that a batch is shared between; one alone is TensorFlow without a strategy.

    Attributes:
        count: Number of devices.
    """

    def __init__(self, devices: Sequence[str] = ()) -> None:
        """Mirror variables on devices such as `("GPU:0", "GPU:1")`; with one or none do nothing."""
        several = len(devices) > 1
        self._strategy = (
            tf.distribute.MirroredStrategy(devices) if several else tf.distribute.get_strategy()
        )
        self.count = int(self._strategy.num_replicas_in_sync)

    @classmethod
    def on_gpus(cls, batch: int) -> "Replicas":
        """Use all GPUs that TensorFlow sees; after `training.prepare_devices`.

        Args:
            batch: Frames a step, over all devices.

        Raises:
            ReplicasError: The batch is no multiple of the number of GPUs.
        """
        devices = [gpu.name for gpu in tf.config.list_logical_devices("GPU")]
        check_shares(batch, len(devices))
        return cls(devices)

    def scope(self) -> Any:
        """Return the context in which a network and its optimizer are to be made."""
        return self._strategy.scope()

    def run(self, step: Callable[[Any, Any], Any], images: Any, target: Any) -> Any:
        """Call a step on each device and return what the first one returns.

        Args:
            step: Takes a share of the images and the whole target.
            images: `[N, ...]`. Where `N` is no multiple of `count`, the first ones are repeated at
                the end, and `gather` leaves their logits out again.
            target: `[N, ...]`; a loss may weigh all of a batch, so that each device needs it all.
        """
        if self.count == 1:
            return step(images, target)
        size = tf.shape(images)[0]
        share = (size + self.count - 1) // self.count
        images = tf.gather(images, tf.range(share * self.count) % size)
        shares = tf.split(images, self.count)
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group]
        )
        results = self._strategy.run(step, args=(values, target))
        return self._strategy.experimental_local_results(results)[0]

    def gather(self, logits: Any, size: Any) -> Any:
        """Return the logits of the whole batch `[size, ...]`, in a step, from those of a share."""
        if self.count == 1:
            return logits
        return tf.distribute.get_replica_context().all_gather(logits, axis=0)[:size]

    def mean(self, values: Any) -> Any:
        """Return the means of nested tensors over the devices, in a step."""
        if self.count == 1:
            return values
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def check_shares(batch: int, devices: int) -> None:
    """Refuse a batch that cannot be shared evenly.

    Raises:
        ReplicasError: It is no multiple of the number of devices.
    """
    if devices > 1 and batch % devices:
        raise ReplicasError(
            f"A batch of {batch} does not divide by {devices} GPUs: name another --batch."
        )
