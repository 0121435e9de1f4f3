"""One record of a shard: a `tf.train.Example` of bytes, at working size.

Features: `key`, `sequence`, `image` (JPEG of quality 95 or PNG), `mask` (1-bit PNG).
"""

from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from app.imaging import decode
from model_training.datasets import Frame, working_size
from model_training.shards.manifest import ShardSettings

_ENCODINGS: dict[str, tuple[str, list[int]]] = {
    "jpeg": (
        ".jpg",
        [
            *(cv2.IMWRITE_JPEG_QUALITY, 95),
            # At working size, colour at half the resolution is a loss that shows.
            *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        ],
    ),
    "png": (".png", []),
}


def encode_record(frame: Frame, settings: ShardSettings) -> bytes:
    """Resize and encode one frame; the same frame and settings give the same bytes.

    Raises:
        ImageError: If a file of the frame cannot be decoded.
    """
    image, mask = working_size(
        frame.read_image(), frame.read_mask(), settings.height, settings.width
    )
    suffix, parameters = _ENCODINGS[settings.encoding]
    features = {
        "key": frame.key.encode(),
        "sequence": frame.sequence.encode(),
        "image": _encode(suffix, image[..., ::-1], parameters),
        "mask": _encode(".png", mask, [cv2.IMWRITE_PNG_BILEVEL, 1]),
    }
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in features.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString(deterministic=True))


def parse_record(record: Any) -> tuple[Any, Any]:
    """Take the encoded image and mask out of a serialized record, as string tensors."""
    wanted = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "mask")}
    features = tf.io.parse_single_example(record, wanted)
    return features["image"], features["mask"]


def decode_record(image: bytes, mask: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode what `parse_record` found.

    Returns:
        Image uint8 `[h, w, 3]` RGB and mask uint8 `[h, w]`, 0 or 255, at the size they have there.
    """
    return decode(image).pixels, decode(mask).pixels[..., 0]


def _encode(suffix: str, pixels: NDArray[np.uint8], parameters: list[int]) -> bytes:
    return cv2.imencode(suffix, pixels, parameters)[1].tobytes()
