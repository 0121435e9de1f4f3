"""`polypseg pool`, from the folders that `polypseg evaluate --keep` wrote."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from model_training.cli import cli
from model_training.evaluation.protocols import read_rows
from model_training.evaluation.record import read_record
from tests.model_training.evaluation.conftest import MakeKept, MakeScore, score_of


def polypseg(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_five_folds(
    bundle_of: Callable[..., Path], make_kept: MakeKept, data: Path, tmp_path: Path
) -> None:
    """The first is scored by the command, the others are as if they had been."""
    folders = [tmp_path / "records" / f"sequence-{number}" for number in range(5)]
    done = polypseg(
        *("evaluate", "--model", bundle_of("sequence-0"), "--data", data),
        *("--protocol", "sequence-0", "--out", tmp_path / "report", "--keep", folders[0]),
    )
    assert done.exit_code == 0, done.output
    assert "no image" in done.output
    recipe = read_record(folders[0]).record.recipe
    for folder in folders[1:]:
        (row,) = read_rows(folder.name, data)
        scores = [score_of(frame.key, sequence=frame.sequence) for frame in row.frames]
        make_kept(folder, {folder.name: scores}, split=folder.name, recipe=recipe)

    result = polypseg("pool", *folders)

    assert result.exit_code == 0, result.output
    assert "sequence (five folds)" in result.output
    kept = [read_record(folder).scores(folder.name) for folder in folders]
    assert len(kept[0]) > 100
    dice = [score.mask.dice for scores in kept for score in scores]
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
