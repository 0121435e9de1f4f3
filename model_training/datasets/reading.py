"""Pairing images with masks, and checking both; every fault names its file."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.imaging import ImageError, decode, read_header
from model_training.datasets.frame import MASK_LEVEL, Frame

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})

Verify = Literal["headers", "pixels"]
"""How deep a reader looks: `"headers"` reads sizes only, `"pixels"` decodes every file."""


class DatasetError(Exception):
    """Raised when a data set is not there, or not in a layout that the readers know."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one file.

    Attributes:
        path: The file.
        sentence: What is wrong with it, in one sentence.
    """

    path: Path
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found.

    Attributes:
        frames: The frames without a fault, sorted by name as strings.
        faults: One entry for each fault, sorted by path.
    """

    frames: tuple[Frame, ...]
    faults: tuple[Fault, ...]


def find_layout(root: Path, layouts: Iterable[tuple[str, ...]]) -> tuple[Path, ...]:
    """Find the first layout of which every folder exists.

    Args:
        root: Folder of one data set.
        layouts: Tuples of folder names below `root`, in order of preference.

    Returns:
        The folders of that layout.

    Raises:
        DatasetError: If `root` holds none of the layouts.
    """
    layouts = tuple(layouts)
    for layout in layouts:
        folders = tuple(root / name for name in layout)
        if all(folder.is_dir() for folder in folders):
            return folders
    wanted = " or ".join(" + ".join(f"{name}/" for name in layout) for layout in layouts)
    raise DatasetError(f"{root} does not hold {wanted}.")


def list_images(folder: Path) -> tuple[dict[str, Path], list[Fault]]:
    """List the image files of a folder by name, sorted as strings.

    Returns:
        The files by name without suffix, and a fault for each name that occurs twice.
    """
    files: dict[str, Path] = {}
    faults = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            continue
        first = files.setdefault(path.stem, path)
        if first is not path:
            faults.append(Fault(path, f"The name is taken by {first.name} in the same folder."))
    return files, faults


def read_pairs(
    images: Path, masks: Path, build: Callable[[str, Path, Path], Frame | Fault], verify: Verify
) -> Reading:
    """Pair the files of two folders by name and check each pair.

    Args:
        images: Folder of the images.
        masks: Folder of the masks.
        build: Makes a frame from name, image and mask, or says why there is none.
        verify: How deep the files are checked.
    """
    image_files, faults = list_images(images)
    mask_files, mask_faults = list_images(masks)
    faults += mask_faults
    faults += [
        Fault(path, f"There is no mask of that name in {masks.name}/.")
        for name, path in image_files.items()
        if name not in mask_files
    ]
    faults += [
        Fault(path, f"There is no image of that name in {images.name}/.")
        for name, path in mask_files.items()
        if name not in image_files
    ]
    frames = []
    for name, path in image_files.items():
        if name in mask_files:
            built = build(name, path, mask_files[name])
            if isinstance(built, Frame):
                frames.append(built)
            else:
                faults.append(built)
    return check_frames(frames, verify, faults)


def check_frames(frames: Sequence[Frame], verify: Verify, faults: Iterable[Fault] = ()) -> Reading:
    """Check each frame's files on a thread pool (decoding releases the interpreter lock).

    Args:
        frames: Frames whose files exist.
        verify: How deep the files are checked.
        faults: What was found before.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = list(pool.map(lambda frame: check_frame(frame, verify), frames))
    found = [fault for fault in checked if fault is not None]
    return Reading(
        tuple(frame for frame, fault in zip(frames, checked, strict=True) if fault is None),
        tuple(sorted([*faults, *found], key=lambda fault: (str(fault.path), fault.sentence))),
    )


def check_frame(frame: Frame, verify: Verify) -> Fault | None:
    """Check one frame's files: they decode, their sizes agree, and the mask is one.

    Returns:
        The first fault, or `None`.
    """
    sizes = []
    for path in (frame.image, frame.mask):
        if path is None:
            continue
        try:
            data = path.read_bytes()
            header = read_header(data)
            sizes.append((header.width, header.height))
            if verify == "headers":
                continue
            pixels = decode(data).pixels
        except (ImageError, OSError) as error:
            return Fault(path, _sentence(error))
        if path == frame.mask:
            sentence = _mask_fault(pixels[..., 0])
            if sentence is not None:
                return Fault(path, sentence)
    if frame.mask is not None and len(set(sizes)) > 1:
        (width, height), (mask_width, mask_height) = sizes
        sentence = f"The mask is {mask_width}x{mask_height}, its image is {width}x{height}."
        return Fault(frame.mask, sentence)
    return None


def _sentence(error: ImageError | OSError) -> str:
    return f"{error.strerror}." if isinstance(error, OSError) else str(error)


def _mask_fault(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str | None:
    highest = int(grey.max())
    if highest <= MASK_LEVEL:
        return f"The mask is empty: no value is above {MASK_LEVEL}, the highest is {highest}."
    # Annotations are black and white; JPEG masks have some grey along their edges, photographs
    # (swapped folders) consist of it.
    between = float(((grey > 32) & (grey < 224)).mean())
    if between > 0.1:
        return f"{between:.0%} of the pixels are neither black nor white: this is not a mask."
    return None
