"""Finding the data sets below one folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

from model_training.datasets.checking import require_sound
from model_training.datasets.clinicdb import read_clinicdb
from model_training.datasets.frame import Frame
from model_training.datasets.kvasir import read_kvasir
from model_training.datasets.negatives import read_negatives
from model_training.datasets.reading import DatasetError, Fault, MissingDataset, Reading, Verify

READERS: dict[str, tuple[Callable[..., Reading], tuple[str, ...]]] = {
    "cvc-clinicdb": (read_clinicdb, ("cvc_clinicdb", "CVC-ClinicDB")),
    "kvasir-seg": (read_kvasir, ("kvasir_seg", "Kvasir-SEG", "kvasir-seg")),
    "negatives": (read_negatives, ("negatives",)),
}
"""For each data set its reader and the folder names that are looked for."""


def read_dataset(dataset: str, data: Path, *, verify: Verify = "pixels") -> Reading:
    """Read one data set below the folder that holds them all.

    Args:
        dataset: A key of `READERS`.
        data: Folder with `cvc_clinicdb/`, `kvasir_seg/`, `negatives/`, or some of them.
        verify: How deep the files are checked.

    Raises:
        MissingDataset: The data set is not there.
        DatasetError: Its layout is none that the readers know.
    """
    reader, names = READERS[dataset]
    for name in names:
        if (data / name).is_dir():
            return reader(data / name, verify=verify)
    raise MissingDataset(
        f"{data} does not hold {names[0]}/; docs/data.md says how to get {dataset}."
    )


def read_frames(keys: Sequence[str], data: Path) -> tuple[Frame, ...]:
    """Find frames by key, such as those that a run's manifest lists, and check their files.

    Args:
        keys: Such as `"cvc-clinicdb/100"`.
        data: Folder with the data sets that the keys name.

    Returns:
        The frames, in the order of the keys.

    Raises:
        MissingDataset: A data set is not there.
        DatasetError: A frame is not there, or faulty.
    """
    found: dict[str, Frame] = {}
    faults: list[Fault] = []
    for dataset in sorted({key.split("/")[0] for key in keys}):
        if dataset not in READERS:
            raise DatasetError(
                f"There is no data set {dataset!r}; there are: {', '.join(READERS)}."
            )
        reading = read_dataset(dataset, data, verify="headers")
        found |= {frame.key: frame for frame in reading.frames}
        faults += reading.faults
    missing = [key for key in keys if key not in found]
    if missing:
        cause = f" {faults[0]}" if faults else ""
        raise DatasetError(
            f"{data} lacks {len(missing)} of {len(keys)} frames, such as {missing[0]}.{cause}"
        )
    frames = tuple(found[key] for key in keys)
    require_sound(frames)
    return frames
