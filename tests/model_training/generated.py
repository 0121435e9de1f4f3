"""Small generated data sets in the layouts of the real ones, and frames that have names only."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_training.datasets import Frame
from model_training.datasets.lists import clinicdb_sequences, kvasir_pairs, pranet_test_kvasir

Pixels = NDArray[np.uint8]


def picture(seed: int, height: int = 48, width: int = 64) -> tuple[Pixels, Pixels]:
    """Draw a smooth coloured image `[height, width, 3]` and an ellipse as its mask, 0 or 255."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    phase = random.uniform(0, 6, (3, 3))
    waves = [128 + 60 * np.sin(a * x + 2 * y + b) + 40 * np.cos(c * y) for a, b, c in phase]
    centre, radius = random.uniform(0.3, 0.7, 2), random.uniform(0.15, 0.3)
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return np.stack(waves, axis=2).astype(np.uint8), inside.astype(np.uint8) * np.uint8(255)


def save(path: Path, pixels: Pixels) -> None:
    """Write pixels in the format that the suffix names, making the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def spoil_pixels(path: Path) -> None:
    """Damage a file where only decoding notices: its length and its structure stay."""
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(32) + data[middle + 32 :])


def write_pairs(
    root: Path,
    names: Iterable[str],
    *,
    images: str = "images",
    masks: str = "masks",
    suffixes: tuple[str, str] = (".png", ".png"),
    size: tuple[int, int] = (48, 64),
) -> None:
    """Write an image and a mask for each name; the name is the seed of the picture."""
    for number, name in enumerate(names):
        image, mask = picture(number, *size)
        save(root / images / f"{name}{suffixes[0]}", image)
        save(root / masks / f"{name}{suffixes[1]}", mask)


def clinicdb_frames() -> list[Frame]:
    """Return the 612 frames of CVC-ClinicDB without files."""
    return [
        Frame("cvc-clinicdb", name, Path(name), Path(name), f"cvc-clinicdb/{sequence}")
        for name, sequence in clinicdb_sequences().items()
    ]


def kvasir_frames() -> list[Frame]:
    """Return 1000 frames without files: Kvasir-SEG's test frames and pairs, and invented ones."""
    first_of = {name: pair[0] for pair in kvasir_pairs() for name in pair}
    names = [*pranet_test_kvasir(), *first_of]
    names += [f"invented{number}" for number in range(1000 - len(names))]
    return [
        Frame("kvasir-seg", name, Path(name), Path(name), f"kvasir-seg/{first_of.get(name, name)}")
        for name in names
    ]
