"""Splits by name, from the folder that holds the data sets."""

from pathlib import Path

from model_training.datasets import DatasetError, Frame, Verify, read_dataset
from model_training.splits.kvasir import kvasir
from model_training.splits.negatives import add_negatives
from model_training.splits.pranet import pranet
from model_training.splits.sequence import FOLDS, sequence
from model_training.splits.split import FULL, Split, SplitError
from model_training.splits.tutorial import tutorial

SPLITS = ("tutorial", "pranet", *(f"sequence-{number}" for number in range(FOLDS)), "kvasir")


def read_split(
    name: str, data: Path, *, negatives: bool = False, verify: Verify = "pixels"
) -> Split:
    """Read the data sets that a split is made from, check them and cut them.

    Args:
        name: One of `SPLITS`, or one with `-full` behind it: see `Split.full`.
        data: Folder with `cvc_clinicdb/` and, but for `tutorial`, `kvasir_seg/`.
        negatives: Add frames without a polyp, see `add_negatives`; needs `negatives/`.
        verify: How deep the files are checked.

    Raises:
        SplitError: If there is no split of that name, or frames of it are missing.
        DatasetError: If a data set is not there or a file of it is faulty.
    """
    cut = name.removesuffix(FULL)
    if cut not in SPLITS:
        raise SplitError(
            f"There is no split {name!r}; there are: {', '.join(SPLITS)}; each with {FULL}, too."
        )
    clinicdb = _read("cvc-clinicdb", data, verify)
    if cut == "tutorial":
        split = tutorial(clinicdb)
    elif cut == "pranet":
        split = pranet(clinicdb, _read("kvasir-seg", data, verify))
    elif cut == "kvasir":
        split = kvasir(clinicdb, _read("kvasir-seg", data, verify))
    else:
        folds = sequence(clinicdb, _read("kvasir-seg", data, verify))
        split = folds[SPLITS.index(cut) - SPLITS.index("sequence-0")]
    if negatives:
        split = add_negatives(split, _read("negatives", data, verify))
    return split if name == cut else split.full()


def _read(dataset: str, data: Path, verify: Verify) -> tuple[Frame, ...]:
    # A split is quoted by its name, so it is never cut from what happens to be readable.
    reading = read_dataset(dataset, data, verify=verify)
    if reading.faults:
        faults = "\n".join(f"  {fault}" for fault in reading.faults)
        raise DatasetError(f"{dataset} has {len(reading.faults)} faulty files:\n{faults}")
    return reading.frames
