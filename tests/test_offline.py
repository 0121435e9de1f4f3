"""Predictions for files, compared with what the tiny model must say."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from rich.console import Console

from app.api.negotiation import Format
from app.api.schemas import Finding
from app.imaging import decode_rle
from app.offline import predict_files
from app.settings import Settings, SettingsError
from tests.bundles import tiny_probability, write_tiny_bundle


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(root)
    return Settings(model=root, device="cpu")


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Red above, grey below, at the size of the model's input."""
    pixels = np.full((64, 64, 3), 120, np.uint8)
    pixels[:30] = (210, 30, 20)
    return pixels


@pytest.fixture
def image(tmp_path: Path, pixels: NDArray[np.uint8]) -> Path:
    path = tmp_path / "image.png"
    Pillow.fromarray(pixels).save(path)
    return path


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def read(path: Path) -> NDArray[np.uint8]:
    with Pillow.open(path) as picture:
        return np.asarray(picture)


def test_mask(
    image: Path, pixels: NDArray[np.uint8], tmp_path: Path, settings: Settings, console: Console
) -> None:
    out = tmp_path / "new" / "masks"
    assert predict_files([image], out, Format.PNG, None, settings, console) == 0
    expected = np.where(tiny_probability(pixels) >= 0.5, 255, 0)
    assert 0 < expected.mean() < 255
    np.testing.assert_array_equal(read(out / "image.mask.png"), expected)
    assert "tiny/1: onnxruntime on the processor" in shown(console)
    assert "1/1" in shown(console)


def test_json(
    image: Path, pixels: NDArray[np.uint8], tmp_path: Path, settings: Settings, console: Console
) -> None:
    assert predict_files([image], tmp_path, Format.JSON, 0.9, settings, console) == 0
    text = (tmp_path / "image.json").read_text()
    document = Finding.model_validate_json(text)
    assert document.threshold == 0.9
    assert set(json.loads(text)) == set(Finding.model_fields)
    assert not isinstance(document.mask.counts, str)
    np.testing.assert_array_equal(
        decode_rle(document.mask.counts, 64, 64) > 0, tiny_probability(pixels) >= 0.9
    )


def test_probability(
    image: Path, pixels: NDArray[np.uint8], tmp_path: Path, settings: Settings, console: Console
) -> None:
    assert predict_files([image], tmp_path, Format.PROBABILITY, None, settings, console) == 0
    written = read(tmp_path / "image.probability.png").astype(float)
    np.testing.assert_allclose(written, tiny_probability(pixels) * 255, atol=1)


def test_overlay(
    image: Path, pixels: NDArray[np.uint8], tmp_path: Path, settings: Settings, console: Console
) -> None:
    assert predict_files([image], tmp_path, Format.OVERLAY, None, settings, console) == 0
    changed = (read(tmp_path / "image.overlay.png") != pixels).any(axis=2)
    assert changed[28:32].any()
    assert not changed[10:20, 10:54].any()
    assert not changed[40:].any()


def test_one_broken_file_does_not_hide_the_others(
    image: Path, tmp_path: Path, settings: Settings, console: Console
) -> None:
    text = tmp_path / "[text].png"
    text.write_text("hello")
    files = [text, tmp_path / "missing.png", tmp_path, image]
    out = tmp_path / "out"
    assert predict_files(files, out, Format.PNG, None, settings, console) == 1
    assert [path.name for path in out.iterdir()] == ["image.mask.png"]
    assert f"{text}: " in shown(console)
    assert "missing.png: No such file or directory" in shown(console)
    assert f"{tmp_path}: This is a folder; name the images in it, such as {tmp_path}/*.jpg" in (
        shown(console)
    )


def test_answers_with_the_same_name(
    image: Path, tmp_path: Path, settings: Settings, console: Console
) -> None:
    with pytest.raises(SettingsError, match=r"image\.jpg.* both be written .*image\.mask\.png"):
        predict_files(
            [image, tmp_path / "image.jpg"], tmp_path, Format.PNG, None, settings, console
        )
    assert predict_files([image, image], tmp_path, Format.PNG, None, settings, console) == 0


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_threshold_out_of_range(
    image: Path, tmp_path: Path, settings: Settings, threshold: float
) -> None:
    with pytest.raises(SettingsError, match="--threshold has value"):
        predict_files([image], tmp_path, Format.PNG, threshold, settings)


def test_a_place_that_cannot_be_made_is_named_before_anything_is_loaded(
    image: Path, settings: Settings, console: Console
) -> None:
    missing = settings.model_copy(update={"model": image})

    with pytest.raises(SettingsError, match=r"--out has value '.*image\.png': File exists"):
        predict_files([image], image, Format.PNG, None, missing, console)
