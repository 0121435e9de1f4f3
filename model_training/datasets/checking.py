"""Checking the files of frames: they decode, sizes agree, and masks are masks."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from app.imaging import ImageError, decode, read_header
from model_training.datasets.frame import MASK_LEVEL, Frame
from model_training.datasets.reading import DatasetError, Fault, Reading, Verify


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


def require_sound(frames: Sequence[Frame]) -> None:
    """Decode the files of frames, and make sure that masks are masks.

    Raises:
        DatasetError: One is faulty; the message names the first.
    """
    faults = check_frames(frames, "pixels").faults
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DatasetError(f"{faults[0]}{more}")


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


def _mask_fault(grey: NDArray[np.uint8]) -> str | None:
    highest = int(grey.max())
    if highest <= MASK_LEVEL:
        return f"The mask is empty: no value is above {MASK_LEVEL}, the highest is {highest}."
    # Annotations are black and white; JPEG masks have some grey along their edges, photographs
    # (swapped folders) consist of it.
    between = float(((grey > 32) & (grey < 224)).mean())
    if between > 0.1:
        return f"{between:.0%} of the pixels are neither black nor white: this is not a mask."
    return None
