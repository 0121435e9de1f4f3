"""All of CVC-ClinicDB as the test of networks that know Kvasir-SEG alone: another hospital.

The parts of Kvasir-SEG are those of every fold by sequence, so that a network of this split may be
trained on in each of the five: what they have in common is then learned once.
"""

from collections.abc import Sequence

from model_training.datasets.frame import Frame
from model_training.splits.sequence import hold_out_as_folds
from model_training.splits.split import Split


def kvasir(clinicdb: Sequence[Frame], kvasir: Sequence[Frame]) -> Split:
    """Train on nine tenths of Kvasir-SEG, test on all frames of CVC-ClinicDB.

    Args:
        clinicdb: Frames of CVC-ClinicDB, in any order.
        kvasir: Frames of Kvasir-SEG, in any order.
    """
    train, validation = hold_out_as_folds(sorted(kvasir, key=lambda frame: frame.key))
    return Split("kvasir", train, validation, tuple(sorted(clinicdb, key=lambda frame: frame.key)))
