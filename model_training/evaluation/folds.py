"""Five folds, one figure: every frame of CVC-ClinicDB scored once, by who never saw its video."""

from collections.abc import Sequence

from model_training.datasets.lists import clinicdb_sequences
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.protocols import Row
from model_training.evaluation.record import Kept, RecordError, require_equal
from model_training.evaluation.results import Result, summarise

FOLDS = "sequence (five folds)"


def is_fold(kept: Kept) -> bool:
    """Say whether a record is of a model that was trained on one of the folds."""
    return kept.record.split.startswith("sequence-")


def pool_folds(folds: Sequence[Kept], bootstrap: Bootstrap) -> Result:
    """Pool what the models of five folds predicted for their own test frames.

    Args:
        folds: Records of the models that were trained on `sequence-0` to `sequence-4`, by one
            recipe.
        bootstrap: Settings of the intervals.

    Raises:
        RecordError: Recipes or settings differ, or a frame is scored twice or not at all.
    """
    alike = ("recipe", "settings_sha256", "full", "input", "parameters")
    require_equal(folds, alike, "The folds' models")
    scores = [score for fold in folds for score in fold.scores(fold.record.protocol)]
    keys = {score.key for score in scores}
    wanted = {f"cvc-clinicdb/{name}" for name in clinicdb_sequences()}
    if len(keys) != len(scores):
        raise RecordError(f"The folds score {len(scores) - len(keys)} frames twice.")
    if keys != wanted:
        raise RecordError(
            f"The folds score {len(keys & wanted)} of the {len(wanted)} frames of CVC-ClinicDB."
        )
    return summarise(Row(FOLDS, ()), tuple(scores), bootstrap)
