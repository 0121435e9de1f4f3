"""The command `prepare`, on generated pictures under the real names."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from model_training.prepare import prepare
from model_training.shards import open_shards
from model_training.splits import read_split
from tests.model_training.generated import write_pairs

command = typer.Typer()
command.command()(prepare)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder / "cvc_clinicdb", (str(n) for n in range(1, 613)), size=(12, 16))
    return folder


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_writes_a_split_and_says_what_it_leaks(generated: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    arguments = ("--data", generated, "--split", "tutorial", "--out", out)
    size = ("--height", "12", "--width", "16", "--encoding", "png")
    code, said, _ = run(*arguments, *size)
    assert code == 0
    manifest = open_shards(out)
    assert manifest.split_hash == read_split("tutorial", generated).hash
    assert (manifest.settings.height, manifest.settings.width) == (12, 16)
    assert manifest.settings.encoding == "png"
    assert f"{out}: 612 frames, 3 shards" in said
    assert manifest.sha256 in said
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines()]
    assert ["test", "cvc-clinicdb", "train", "61", "61", "57"] in rows
    assert run(*arguments, *size)[0] == 0
    code, _, fault = run(*arguments)
    assert code == 2
    assert fault == f"{out} holds other shards; remove it or name another folder.\n"


def test_names_the_folder_after_the_split(
    generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, _ = run("--data", generated, "--split", "tutorial", "--width", "16")
    assert code == 0
    assert "612/612" in said
    assert open_shards(tmp_path / "shards/tutorial-256x16-jpeg").settings.encoding == "jpeg"


@pytest.mark.parametrize(
    ("split", "fault"),
    [
        ("pranet", "does not hold kvasir_seg/; docs/data.md says how to get kvasir-seg."),
        ("random", "There is no split 'random'"),
    ],
)
def test_says_in_one_line_what_is_missing(
    generated: Path, tmp_path: Path, split: str, fault: str
) -> None:
    code, _, said = run("--data", generated, "--split", split, "--out", tmp_path / "shards")
    assert code == 2
    assert fault in said
    assert said.count("\n") == 1
