"""PraNet's split: 1450 frames of two data sets for training, 162 others for the test.

Reference: Fan et al., "PraNet: Parallel Reverse Attention Network for Polyp Segmentation", MICCAI
2020. Its ClinicDB test frames come from videos that are in its training set, too.
"""

from collections.abc import Sequence

from model_training.datasets.frame import Frame
from model_training.datasets.lists import pranet_test_clinicdb, pranet_test_kvasir
from model_training.splits.grouping import hold_out
from model_training.splits.split import Split, SplitError

VALIDATION_SHARE = 0.1


def pranet(clinicdb: Sequence[Frame], kvasir: Sequence[Frame]) -> Split:
    """Test on the published lists; cut a validation part off the rest by sequence.

    Args:
        clinicdb: Frames of CVC-ClinicDB.
        kvasir: Frames of Kvasir-SEG.

    Raises:
        SplitError: If a test frame is missing.
    """
    frames = sorted([*clinicdb, *kvasir], key=lambda frame: frame.key)
    listed = {f"cvc-clinicdb/{name}" for name in pranet_test_clinicdb()}
    listed |= {f"kvasir-seg/{name}" for name in pranet_test_kvasir()}
    missing = listed - {frame.key for frame in frames}
    if missing:
        raise SplitError(
            f"PraNet's test lists name {len(missing)} frames that were not read, such as"
            f" {min(missing)}."
        )
    rest = [frame for frame in frames if frame.key not in listed]
    train, validation = hold_out(rest, VALIDATION_SHARE, salt="pranet")
    test = tuple(frame for frame in frames if frame.key in listed)
    return Split("pranet", train, validation, test)
