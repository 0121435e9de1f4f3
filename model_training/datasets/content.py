"""What the files of some frames hold, as one hash."""

import hashlib
from collections.abc import Iterable

from model_training.datasets.frame import Frame


def hash_frames(frames: Iterable[Frame]) -> str:
    """Return the SHA-256 over the keys and file contents of frames and masks, in order.

    Where the files lie has no influence; a frame without a mask counts as such.
    """
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(f"{frame.key}\0".encode())
        for path in (frame.image, frame.mask):
            if path is not None:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
