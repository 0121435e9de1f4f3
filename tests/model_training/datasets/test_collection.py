"""Data sets are found below one folder."""

from pathlib import Path

import pytest

from model_training.datasets import DatasetError, read_dataset, read_frames
from tests.model_training.generated import picture, save, spoil_pixels, write_pairs


@pytest.mark.parametrize("folder", ["cvc_clinicdb", "CVC-ClinicDB"])
def test_finds_a_data_set_under_its_names(tmp_path: Path, folder: str) -> None:
    write_pairs(tmp_path / folder, ["7"])
    assert [frame.key for frame in read_dataset("cvc-clinicdb", tmp_path).frames] == [
        "cvc-clinicdb/7"
    ]


def test_finds_them_beside_each_other(tmp_path: Path) -> None:
    write_pairs(tmp_path / "kvasir_seg", ["a"])
    save(tmp_path / "negatives/images/1.png", picture(0)[0])
    for dataset in ("kvasir-seg", "negatives"):
        assert [frame.dataset for frame in read_dataset(dataset, tmp_path).frames] == [dataset]


def test_hands_on_how_deep_to_look(tmp_path: Path) -> None:
    write_pairs(tmp_path / "kvasir_seg", ["a"])
    path = tmp_path / "kvasir_seg/images/a.png"
    spoil_pixels(path)
    assert read_dataset("kvasir-seg", tmp_path, verify="headers").faults == ()
    assert len(read_dataset("kvasir-seg", tmp_path).faults) == 1


def test_says_what_is_missing_and_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as error:
        read_dataset("kvasir-seg", tmp_path)
    assert str(error.value) == (
        f"{tmp_path} does not hold kvasir_seg/; docs/data.md says how to get kvasir-seg."
    )


def test_finds_frames_by_key_in_the_order_of_the_keys(tmp_path: Path) -> None:
    write_pairs(tmp_path / "kvasir_seg", ["a", "b"])
    save(tmp_path / "negatives/images/1.png", picture(0)[0])
    keys = ("negatives/1", "kvasir-seg/b", "kvasir-seg/a")
    assert tuple(frame.key for frame in read_frames(keys, tmp_path)) == keys


def test_a_faulty_frame_is_refused_with_its_fault_and_others_do_not_matter(tmp_path: Path) -> None:
    write_pairs(tmp_path / "kvasir_seg", ["a", "b", "c"])
    spoil_pixels(tmp_path / "kvasir_seg/images/b.png")
    (tmp_path / "kvasir_seg/images/c.png").write_bytes(b"no picture")

    assert [frame.name for frame in read_frames(["kvasir-seg/a"], tmp_path)] == ["a"]
    with pytest.raises(DatasetError, match=r"images/b\.png: "):
        read_frames(["kvasir-seg/a", "kvasir-seg/b"], tmp_path)
    with pytest.raises(DatasetError, match=r"lacks 1 of 1 frames, .*images/c\.png: "):
        read_frames(["kvasir-seg/c"], tmp_path)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("kvasir-seg/z", "lacks 1 of 2 frames, such as kvasir-seg/z."),
        ("negatives/1", "does not hold negatives/"),
        ("other/1", "There is no data set 'other'; there are: cvc-clinicdb, "),
    ],
)
def test_says_which_frames_are_missing(tmp_path: Path, key: str, sentence: str) -> None:
    write_pairs(tmp_path / "kvasir_seg", ["a"])
    with pytest.raises(DatasetError, match=sentence):
        read_frames(("kvasir-seg/a", key), tmp_path)
