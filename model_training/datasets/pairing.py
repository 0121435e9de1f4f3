"""Finding the files of a data set and pairing images with masks by name."""

from collections.abc import Callable, Iterable
from pathlib import Path

from model_training.datasets.checking import check_frames
from model_training.datasets.frame import Frame
from model_training.datasets.reading import DatasetError, Fault, Reading, Verify

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


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
    """List the image files of a folder by name without suffix, sorted as strings.

    Returns:
        The files by name without suffix, and a fault for each name that occurs twice.
    """
    files: dict[str, Path] = {}
    faults = []
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.name)):
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
