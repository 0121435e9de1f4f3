"""CVC-ClinicDB: 612 frames from 29 video sequences, 384x288.

Reference: Bernal et al., "WM-DOVA maps for accurate polyp highlighting in colonoscopy",
Computerized Medical Imaging and Graphics 43 (2015) 99-111.
"""

from pathlib import Path

from model_training.datasets.frame import Frame
from model_training.datasets.lists import clinicdb_sequences
from model_training.datasets.pairing import find_layout, read_pairs
from model_training.datasets.reading import Fault, Reading, Verify

DATASET = "cvc-clinicdb"
LAYOUTS = (
    ("Original", "Ground Truth"),
    ("TIF/Original", "TIF/Ground Truth"),
    ("PNG/Original", "PNG/Ground Truth"),
    ("images", "masks"),
)


def read_clinicdb(root: Path, *, verify: Verify = "pixels") -> Reading:
    """Read CVC-ClinicDB.

    Args:
        root: Folder with `Original/` and `Ground Truth/` (as published, TIFF) or with `images/` and
            `masks/`; files are named `1` to `612`.
        verify: How deep the files are checked.

    Returns:
        The frames, each with its video sequence, and the faults.

    Raises:
        DatasetError: If `root` has no such layout.
    """
    sequences = clinicdb_sequences()
    images, masks = find_layout(root, LAYOUTS)

    def build(name: str, image: Path, mask: Path) -> Frame | Fault:
        if name not in sequences:
            return Fault(image, "The name is not one of CVC-ClinicDB's, 1 to 612.")
        return Frame(DATASET, name, image, mask, f"{DATASET}/{sequences[name]}")

    return read_pairs(images, masks, build, verify)
