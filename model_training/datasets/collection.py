"""Finding the data sets below one folder."""

from collections.abc import Callable
from pathlib import Path

from model_training.datasets.clinicdb import read_clinicdb
from model_training.datasets.kvasir import read_kvasir
from model_training.datasets.negatives import read_negatives
from model_training.datasets.reading import DatasetError, Reading, Verify

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
        DatasetError: If the data set is not there.
    """
    reader, names = READERS[dataset]
    for name in names:
        if (data / name).is_dir():
            return reader(data / name, verify=verify)
    raise DatasetError(f"{data} does not hold {names[0]}/; docs/data.md says how to get {dataset}.")
