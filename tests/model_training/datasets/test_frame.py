"""Keys and pixels of a frame."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.imaging import ImageError
from model_training.datasets import Frame
from tests.model_training.generated import picture, save


def frame(image: Path, mask: Path | None) -> Frame:
    return Frame("kvasir-seg", "a", image, mask, "kvasir-seg/a")


def test_the_key_names_data_set_and_frame() -> None:
    assert frame(Path("a.png"), None).key == "kvasir-seg/a"


def test_reads_the_pixels_of_the_image(tmp_path: Path) -> None:
    pixels, _ = picture(1)
    save(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(frame(tmp_path / "a.png", None).read_image(), pixels)


def test_a_mask_is_set_above_127(tmp_path: Path) -> None:
    grey = np.array([[0, 9, 13, 127], [128, 200, 254, 255]], np.uint8)
    save(tmp_path / "m.png", grey)
    mask = frame(tmp_path / "a.png", tmp_path / "m.png").read_mask()
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, [[0, 0, 0, 0], [255, 255, 255, 255]])


def test_a_jpeg_mask_has_no_ringing_left(tmp_path: Path) -> None:
    _, mask = picture(3, 96, 128)
    Image.fromarray(mask).convert("RGB").save(tmp_path / "m.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))) > 2
    np.testing.assert_array_equal(frame(tmp_path / "a", tmp_path / "m.jpg").read_mask(), mask)


def test_without_a_mask_it_is_empty_at_source_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees
    Image.fromarray(picture(1)[0]).save(tmp_path / "a.jpg", exif=exif)
    negative = frame(tmp_path / "a.jpg", None)
    assert negative.read_image().shape == (64, 48, 3)
    np.testing.assert_array_equal(negative.read_mask(), np.zeros((64, 48), np.uint8))


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ImageError):
        frame(tmp_path / "a.png", None).read_image()
