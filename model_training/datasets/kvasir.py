"""Kvasir-SEG: 1000 frames, 332x487 to 1920x1072.

Reference: Jha et al., "Kvasir-SEG: A Segmented Polyp Dataset", MultiMedia Modeling 2020.
"""

from pathlib import Path

from model_training.datasets.frame import Frame
from model_training.datasets.lists import kvasir_pairs
from model_training.datasets.pairing import find_layout, read_pairs
from model_training.datasets.reading import Reading, Verify

DATASET = "kvasir-seg"
LAYOUTS = (("images", "masks"), ("Kvasir-SEG/images", "Kvasir-SEG/masks"))


def read_kvasir(root: Path, *, verify: Verify = "pixels") -> Reading:
    """Read Kvasir-SEG.

    Args:
        root: Folder with `images/` and `masks/`, or the one that the archive was unpacked into;
            masks may be JPEG (as published) or PNG.
        verify: How deep the files are checked.

    Returns:
        The frames and the faults. Frames that show one scene under two names share a sequence.

    Raises:
        DatasetError: If `root` has no such layout.
    """
    first_of = {name: pair[0] for pair in kvasir_pairs() for name in pair}
    images, masks = find_layout(root, LAYOUTS)

    def build(name: str, image: Path, mask: Path) -> Frame:
        return Frame(DATASET, name, image, mask, f"{DATASET}/{first_of.get(name, name)}")

    return read_pairs(images, masks, build, verify)
