"""The picture page as a user draws it."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging import phantom
from model_training.augmentation import AUGMENTATIONS
from model_training.augmentation.page import draw_page, phantoms

GREEN = (0, 255, 0)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["augmentation", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("model_training.augmentation", run_name="__main__")
    return int(ended.value.code or 0)


def test_page_of_phantoms(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.png"
    options = ("--rows", "2", "--columns", "3", "--size", "64", "--calls", "2", "--out", out)
    assert command(monkeypatch, *options) == 0
    drawn = np.asarray(Image.open(out))
    assert drawn.shape == (2 * 64, 3 * 64, 3)
    assert np.any(np.all(drawn == GREEN, axis=2))
    assert "2 x 3 pictures. One call: median" in capsys.readouterr().out


def test_page_of_files_with_and_without_masks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    image, mask = phantom(90, 120)
    Image.fromarray(image).save(tmp_path / "frame.jpg", quality=95)
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "frame.png")
    options = ("--columns", "2", "--size", "48", "--calls", "1", "--preset", "none")
    outlined = []
    for masks in ((), ("--masks", tmp_path / "masks")):
        out = tmp_path / "page.png"
        assert command(monkeypatch, tmp_path / "frame.jpg", *masks, *options, "--out", out) == 0
        drawn = np.asarray(Image.open(out))
        assert drawn.shape == (48, 96, 3)
        np.testing.assert_array_equal(drawn[:, :48], drawn[:, 48:])
        outlined.append(bool(np.any(np.all(drawn == GREEN, axis=2))))
    assert outlined == [False, True]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--preset", "wild"), "robust"),
        (("missing.png",), "missing.png"),
        (("frame.png", "--masks", "."), "no mask named other.*"),
        (("text.png",), "text"),
    ],
)
def test_mistakes_are_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty").mkdir()
    Image.fromarray(phantom(32, 32)[0]).save("frame.png")
    if "--masks" in wrong:
        Path("frame.png").rename("other.png")
        wrong = ("other.png", "--masks", "empty")
    assert command(monkeypatch, *wrong, "--out", tmp_path / "page.png") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "page.png").exists()


def test_rows_and_columns_have_seeds_of_their_own() -> None:
    examples = phantoms(1, 32, 32) * 2
    drawn = draw_page(examples, AUGMENTATIONS["robust"], columns=3, seed=1)
    tiles = {drawn[y : y + 32, x : x + 32].tobytes() for y in (0, 32) for x in (0, 32, 64)}
    assert len(tiles) == 5  # both rows start with the same example
    again = draw_page(examples, AUGMENTATIONS["robust"], columns=3, seed=1)
    np.testing.assert_array_equal(drawn, again)
