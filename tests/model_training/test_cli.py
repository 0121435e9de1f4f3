"""`polypseg train` and `polypseg export`, from shards to a run to a bundle."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
from typer.testing import CliRunner, Result

from model_training.cli import cli
from model_training.recipes import RECIPES
from model_training.shards import ShardSettings
from model_training.shards.writing import write_shards
from model_training.splits import Split
from tests.model_training.resumable_run import RECIPE, frames


@pytest.fixture(autouse=True)
def small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "small", RECIPE)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = frames(tmp_path_factory.mktemp("frames"), 6)
    out = tmp_path_factory.mktemp("shards") / "generated"
    write_shards(
        Split("generated", made[:4], made[4:], ()),
        out,
        ShardSettings(height=32, width=32, encoding="png"),
    )
    return out


def polypseg(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_training_from_shards_and_going_on_when_it_is_done(shards: Path, tmp_path: Path) -> None:
    train = ("train", "--recipe", "small", "--shards", shards, "--encoder-weights", "none")
    out = tmp_path / "run"

    first = polypseg(*train, "--out", out)
    second = polypseg(*train, "--out", out)
    third = polypseg(*train, "--out", out, "--resume")
    other = polypseg(*train, "--out", out, "--resume", "--seed", "1")

    assert first.exit_code == 0, first.output
    assert "4 frames to train, 2 to validate" in first.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["epochs"] == RECIPE.epochs
    assert manifest["split"] == "generated"
    assert len(manifest["train_frames"]) == 4
    assert {"checkpoint.npz", "history.csv", "model.weights.h5", "tensorboard"} <= {
        entry.name for entry in out.iterdir()
    }
    assert second.exit_code == 2
    assert "add --resume to go on with it" in second.output
    assert third.exit_code == 0, third.output
    assert other.exit_code == 2
    assert "was made with another seed" in other.output


def test_training_on_shards_of_a_full_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = frames(tmp_path, 6)
    split = Split("generated", made[:4], made[4:], ()).full()
    shards = tmp_path / "shards"
    write_shards(split, shards, ShardSettings(height=32, width=32, encoding="png"))
    train = ("train", "--recipe", "small", "--shards", shards, "--encoder-weights", "none")

    stopped = polypseg(*train, "--out", tmp_path / "stopped")
    plain = replace(RECIPE, plateau_patience=None, stopping_patience=None, epochs=1)
    monkeypatch.setitem(RECIPES, "small", plain)
    done = polypseg(*train, "--out", tmp_path / "run")

    assert stopped.exit_code == 2
    assert "The course of small depends on frames that generated-full does not hold out." in (
        stopped.output.replace("\n", " ")
    )
    assert not (tmp_path / "stopped").exists()
    assert done.exit_code == 0, done.output
    assert "6 frames to train, 0 to validate" in done.output
    assert "val_" not in (tmp_path / "run/history.csv").read_text()
    assert (tmp_path / "run/model.weights.h5").exists()


def test_what_is_chosen_instead_of_the_recipes_is_the_runs(shards: Path, tmp_path: Path) -> None:
    train = ("train", "--recipe", "small", "--shards", shards, "--encoder-weights", "none")
    out = tmp_path / "run"

    chosen = ("--size", 64, "--augmentation", "patients", "--epochs", 1)
    result = polypseg(*train, *chosen, "--out", out)

    assert result.exit_code == 0, result.output
    recipe = json.loads((out / "manifest.json").read_text())["recipe"]
    assert (recipe["height"], recipe["width"]) == (64, 64) != (RECIPE.height, RECIPE.width)
    assert recipe["augmentation"] == "patients" != RECIPE.augmentation
    assert (recipe["epochs"], recipe["batch"]) == (1, RECIPE.batch)


def test_a_batch_that_the_gpus_cannot_share_is_refused_before_a_run_is_made(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [SimpleNamespace(name=f"/device:GPU:{index}") for index in range(2)]
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda _: gpus)
    train = ("train", "--recipe", "small", "--shards", shards, "--encoder-weights", "none")
    out = tmp_path / "run"

    result = polypseg(*train, "--batch", 3, "--out", out)

    assert result.exit_code == 2
    assert "A batch of 3 does not divide by 2 GPUs: name another --batch." in result.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--recipe", "unknown"), "--recipe is 'unknown'; there are: "),
        (("--size", "48"), "--size is 48: "),
        (("--augmentation", "x"), "--augmentation is 'x'; there are: none, moderate, cameras, "),
        (("--encoder-weights", "nowhere.h5"), "--encoder-weights is nowhere.h5: no such file."),
        (("--encoder-weights", "none", "--split", "unknown"), "There is no split 'unknown'"),
        (("--encoder-weights", "none", "--shards", "nowhere"), "nowhere"),
        (("--encoder-weights", "none", "--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = polypseg("train", *arguments)

    assert result.exit_code == 2
    assert sentence in result.output.replace("\n", " ")
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--seed", "-1"), "Input should be greater than or equal to 0"),
        (("--shards", "nowhere", "--limit", "8"), "--limit and --negatives are for --data."),
        (("--shards", "nowhere", "--negatives"), "--limit and --negatives are for --data."),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(
    arguments: tuple[str, ...], sentence: str
) -> None:
    result = polypseg("train", "--encoder-weights", "none", *arguments)

    assert result.exit_code == 2
    assert sentence in " ".join(result.output.replace("│", " ").split())


def test_a_run_that_cannot_be_gone_on_from_is_one_sentence(shards: Path, tmp_path: Path) -> None:
    train = ("train", "--recipe", "small", "--shards", shards, "--encoder-weights", "none")
    out = tmp_path / "run"
    assert polypseg(*train, "--out", out, "--epochs", 1).exit_code == 0
    again = (*train, "--out", out, "--epochs", 1, "--resume")

    (out / "manifest.json").rename(tmp_path / "manifest.json")
    without_manifest = polypseg(*again)
    (tmp_path / "manifest.json").rename(out / "manifest.json")
    (out / "checkpoint.npz").write_bytes((out / "checkpoint.npz").read_bytes()[:1000])
    damaged = polypseg(*again)
    (out / "checkpoint.npz").unlink()
    without_checkpoint = polypseg(*again)

    for result, sentence in (
        (without_manifest, "manifest.json cannot be read: No such file or directory."),
        (damaged, "checkpoint.npz cannot be gone on from: "),
        (without_checkpoint, "holds the weights of a run without its checkpoint"),
    ):
        assert result.exit_code == 2
        assert sentence in result.output.replace("\n", " ")
        assert isinstance(result.exception, SystemExit)


def test_what_holds_no_encoder_is_one_sentence(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "small", replace(RECIPE, architecture="tutorial_unet"))
    notes = tmp_path / "notes.weights.h5"
    notes.write_text("nothing")

    result = polypseg(
        *("train", "--recipe", "small", "--shards", shards, "--out", tmp_path / "run"),
        *("--encoder-weights", notes),
    )

    assert result.exit_code == 2
    assert "gives no weights for a MobileNetV2 of width 0.35: " in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "manifest.json cannot be read: No such file or directory."),
        ("{", "manifest.json is not what this version writes: "),
        ('{"recipe": {"name": "small", "colour": "red"}}', "is not what this version writes: "),
    ],
)
def test_export_of_what_is_no_run_is_one_sentence(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)

    result = polypseg("export", tmp_path, "--out", tmp_path / "model")

    assert result.exit_code == 2
    assert sentence in result.output.replace("\n", " ")
    assert isinstance(result.exception, SystemExit)


def test_a_name_that_no_model_can_have_is_refused_before_anything_is_computed(
    tmp_path: Path,
) -> None:
    result = polypseg("export", tmp_path, "--out", tmp_path / "Light")

    assert result.exit_code == 2
    assert "a model's name is of small letters" in result.output.replace("\n", " ")


def test_encoder_weights_come_from_a_file(tmp_path: Path) -> None:
    from model_training.architectures import ARCHITECTURES

    source = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    path = tmp_path / "encoder.weights.h5"
    source.save_weights(path)

    network = ARCHITECTURES["tutorial_unet"](32, 32, encoder_weights=str(path))

    kernel = network.get_layer("encoder").get_layer("block_13_expand").kernel
    assert (kernel.numpy() == source.get_layer("block_13_expand").kernel.numpy()).all()
