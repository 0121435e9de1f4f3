"""`polypseg pool`, from the folders that `polypseg evaluate --keep` wrote."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from model_training.cli import cli
from model_training.evaluation.record import read_record
from tests.model_training.evaluation.conftest import MakeKept, MakeScore


def polypseg(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_five_folds_from_five_bundles(
    bundle_of: Callable[..., Path], data: Path, tmp_path: Path
) -> None:
    folders = []
    for number in range(5):
        fold = f"sequence-{number}"
        folders.append(tmp_path / "records" / fold)
        model = bundle_of(fold, root=tmp_path / fold)
        done = polypseg(
            *("evaluate", "--model", model, "--data", data, "--protocol", fold),
            *("--out", tmp_path / "report", "--keep", folders[-1]),
        )
        assert done.exit_code == 0, done.output
        assert "no image" in done.output

    result = polypseg("pool", *folders)

    assert result.exit_code == 0, result.output
    assert "sequence (five folds)" in result.output
    dice = [
        score.mask.dice
        for n, one in enumerate(folders)
        for score in read_record(one).scores(f"sequence-{n}")
    ]
    assert len(dice) == 612
    assert f"{np.mean(dice):.4f}" in result.output
    assert not list((tmp_path / "records").rglob("*.png"))


def test_seeds(make_kept: MakeKept, make_score: MakeScore, tmp_path: Path) -> None:
    for seed in range(2):
        scores = [make_score(counts=(60, 10 * seed, 20))]
        make_kept(tmp_path / f"seed-{seed}", {"pranet/kvasir-seg": scores}, seed=seed)

    result = polypseg("pool", tmp_path / "seed-0", tmp_path / "seed-1")

    assert result.exit_code == 0, result.output
    dice = [120 / 140, 120 / 150]
    assert f"{np.mean(dice):.4f} ± {np.std(dice, ddof=1):.4f}" in result.output


@pytest.mark.parametrize("names", [["nowhere"], ["seed"]])
def test_what_cannot_be_pooled_is_one_line(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path, names: list[str]
) -> None:
    make_kept(tmp_path / "seed", {"pranet/kvasir-seg": [make_score()]})
    result = polypseg("pool", *(tmp_path / name for name in names))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
