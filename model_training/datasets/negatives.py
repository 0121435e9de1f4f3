"""Frames without a polyp: any folder of images."""

from pathlib import Path

from model_training.datasets.checking import check_frames
from model_training.datasets.frame import Frame
from model_training.datasets.pairing import find_layout, list_images
from model_training.datasets.reading import Reading, Verify

DATASET = "negatives"
LAYOUTS = (("images",), (".",))


def read_negatives(root: Path, *, verify: Verify = "pixels") -> Reading:
    """Read frames of normal mucosa.

    Args:
        root: Folder of images, or one that has them in `images/`.
        verify: How deep the files are checked.

    Returns:
        The frames, without masks, and the faults.

    Raises:
        DatasetError: If `root` is not a folder.
    """
    (images,) = find_layout(root, LAYOUTS)
    files, faults = list_images(images)
    frames = [Frame(DATASET, name, path, None, f"{DATASET}/{name}") for name, path in files.items()]
    return check_frames(frames, verify, faults)
