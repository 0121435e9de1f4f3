"""The split of the published tutorial: random frames of CVC-ClinicDB, 490/61/61.

Neighbouring frames of one video end up on both sides, so its figures compare with published ones
and say little about a new patient.
"""

from collections.abc import Sequence

from model_training.datasets.frame import Frame
from model_training.datasets.lists import clinicdb_sequences
from model_training.splits.split import Split, SplitError


def tutorial(clinicdb: Sequence[Frame]) -> Split:
    """Cut the validation frames first, then the test frames, as the tutorial does.

    Args:
        clinicdb: All 612 frames of CVC-ClinicDB, in any order.

    Raises:
        SplitError: If a frame is missing; the cut would be another one.
    """
    # Imported here: serving and evaluating need no scikit-learn.
    from sklearn.model_selection import train_test_split

    missing = clinicdb_sequences().keys() - {frame.name for frame in clinicdb}
    if missing:
        raise SplitError(
            f"The tutorial split needs all 612 frames of CVC-ClinicDB; {len(missing)} are missing,"
            f" such as {min(missing)}."
        )
    frames = sorted(clinicdb, key=lambda frame: frame.name)
    rest, validation = train_test_split(frames, test_size=61, random_state=42)
    train, test = train_test_split(rest, test_size=61, random_state=42)
    return Split("tutorial", tuple(train), tuple(validation), tuple(test))
