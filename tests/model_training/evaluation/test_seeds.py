"""Mean and standard deviation over seeds against NumPy."""

from pathlib import Path

import numpy as np
import pytest

from model_training.evaluation.record import Kept, RecordError
from model_training.evaluation.seeds import spread
from tests.model_training.evaluation.conftest import MakeKept, MakeScore


@pytest.fixture
def runs(make_kept: MakeKept, make_score: MakeScore, tmp_path: Path) -> list[Kept]:
    return [
        make_kept(
            tmp_path / f"seed-{seed}",
            {
                "pranet/kvasir-seg": [
                    make_score(str(n), counts=(40 + 9 * seed, n, 5)) for n in range(4)
                ],
                "negatives": [make_score("negatives/1", counts=(0, seed, 0))],
            }
            | ({"tutorial": [make_score()]} if seed == 0 else {}),
            seed=seed,
        )
        for seed in range(3)
    ]


def test_mean_and_sample_deviation(runs: list[Kept]) -> None:
    spreads = spread(runs)

    assert spreads.keys() == {"pranet/kvasir-seg", "negatives"}
    dice = [run.record.rows["pranet/kvasir-seg"].figures["dice"] for run in runs]
    found = spreads["pranet/kvasir-seg"]["dice"]
    assert found.mean == pytest.approx(np.mean(dice))
    assert found.deviation == pytest.approx(np.std(dice, ddof=1))
    assert found.deviation > 0
    assert str(found) == f"{np.mean(dice):.4f} ± {np.std(dice, ddof=1):.4f}"
    assert spreads["negatives"]["false_alarm_rate"].mean == pytest.approx(2 / 3)


def test_what_is_no_repetition_has_no_spread(
    runs: list[Kept], make_kept: MakeKept, make_score: MakeScore, tmp_path: Path
) -> None:
    rows = {"pranet/kvasir-seg": [make_score()]}
    lite = make_kept(tmp_path / "lite", rows, recipe="lite", seed=7)
    other = make_kept(tmp_path / "other", rows, split="tutorial", seed=7)
    with pytest.raises(RecordError, match="have a mean differ in recipe: light, lite"):
        spread([*runs, lite])
    with pytest.raises(RecordError, match="differ in split: pranet, tutorial"):
        spread([*runs, other])
    with pytest.raises(RecordError, match="differ in settings_sha256: "):
        spread([*runs, make_kept(tmp_path / "long", rows, settings={"epochs": 99}, seed=7)])
    longer = make_kept(tmp_path / "longer", rows, settings={"epochs_run": 99}, seed=7)
    assert spread([*runs, longer]).keys() == {"pranet/kvasir-seg"}
    older = Kept(longer.folder, longer.record.model_copy(update={"settings_sha256": None}))
    assert spread([*runs, older]).keys() == {"pranet/kvasir-seg"}
    with pytest.raises(RecordError, match="needs different seeds: given 0, 0, 1"):
        spread([runs[0], runs[1], runs[0]])
    with pytest.raises(RecordError, match="needs different seeds: given 2"):
        spread(runs[2:])
