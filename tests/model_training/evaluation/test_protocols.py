"""Which frames a protocol scores, and which a bundle may not be scored on."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from app.inference import Manifest, load_bundle
from model_training.datasets import DatasetError
from model_training.datasets.lists import pranet_test_clinicdb, pranet_test_kvasir
from model_training.evaluation.protocols import (
    ProtocolError,
    SeenFrames,
    choose_rows,
    default_protocols,
    read_rows,
)

BundleOf = Callable[..., Path]


def manifest_of(root: Path) -> Manifest:
    return load_bundle(root).manifest


def test_tutorial_is_in_the_order_of_the_published_split(data: Path) -> None:
    (row,) = read_rows("tutorial", data)
    names = sorted(str(number) for number in range(1, 613))
    rest, _ = train_test_split(names, test_size=61, random_state=42)
    _, expected = train_test_split(rest, test_size=61, random_state=42)
    assert [frame.name for frame in row.frames] == expected
    assert (row.name, row.polyps, row.batch) == ("tutorial", True, 8)


def test_pranet_has_a_row_for_each_data_set(data: Path) -> None:
    clinicdb, kvasir = read_rows("pranet", data)
    assert (clinicdb.name, kvasir.name) == ("pranet/cvc-clinicdb", "pranet/kvasir-seg")
    assert {frame.name for frame in clinicdb.frames} == set(pranet_test_clinicdb())
    assert {frame.name for frame in kvasir.frames} == set(pranet_test_kvasir())
    assert clinicdb.batch is kvasir.batch is None


def test_folds_cover_every_frame_once(data: Path) -> None:
    folds = [read_rows(f"sequence-{number}", data) for number in range(5)]
    keys = [frame.key for (row,) in folds for frame in row.frames]
    assert len(keys) == len(set(keys)) == 612


def test_negatives_leave_the_first_150_to_training(data: Path) -> None:
    (row,) = read_rows("negatives", data)
    assert [frame.key for frame in row.frames] == [f"negatives/{n}" for n in range(150, 156)]
    assert not row.polyps


def test_negatives_need_more_than_150(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "negatives", tmp_path / "negatives")
    for number in range(150, 156):
        (tmp_path / "negatives" / "images" / f"{number}.png").unlink()
    with pytest.raises(ProtocolError, match="found 150 frames"):
        read_rows("negatives", tmp_path)


def test_a_faulty_negative_would_shift_the_cut(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "negatives", tmp_path / "negatives")
    (tmp_path / "negatives" / "images" / "007.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"007\.png"):
        read_rows("negatives", tmp_path)


def test_an_unknown_protocol_is_refused(data: Path) -> None:
    with pytest.raises(ProtocolError, match="'etis' is unknown: expected tutorial, pranet"):
        read_rows("etis", data)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("tutorial", ("tutorial", "negatives")),
        ("pranet", ("pranet", "negatives")),
        ("sequence-3", ("sequence-3", "negatives")),
        ("pranet-full", ("pranet", "negatives")),
        ("my own", ("negatives",)),
    ],
)
def test_default_protocols_follow_the_split(
    bundle_of: BundleOf, split: str, expected: tuple[str, ...]
) -> None:
    assert default_protocols(manifest_of(bundle_of(split))) == expected


def test_default_protocols_without_data_are_left_out(
    bundle_of: BundleOf, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "cvc_clinicdb").symlink_to(data / "cvc_clinicdb")
    manifest = manifest_of(bundle_of("tutorial"))
    rows, missing = choose_rows(manifest, tmp_path)
    assert [row.name for row in rows] == ["tutorial"]
    assert len(missing) == 1
    assert "'negatives' is left out" in missing[0]
    with pytest.raises(DatasetError, match="negatives"):
        choose_rows(manifest, tmp_path, ["negatives"])
    with pytest.raises(ProtocolError, match=r"'tutorial' is left out.*'negatives' is left out"):
        choose_rows(manifest, tmp_path / "empty")


def test_a_faulty_file_is_no_missing_data(bundle_of: BundleOf, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    manifest = manifest_of(bundle_of("pranet"))
    frame = tmp_path / "data/kvasir_seg/images" / f"{min(pranet_test_kvasir())}.png"
    for content in (b"no picture", frame.read_bytes()[:-40]):
        frame.write_bytes(content)
        with pytest.raises(DatasetError, match=re.escape(str(frame))):
            choose_rows(manifest, tmp_path / "data")


def test_rows_are_those_that_were_asked_for_once(bundle_of: BundleOf, data: Path) -> None:
    manifest = manifest_of(bundle_of("tutorial"))
    rows, missing = choose_rows(manifest, data, ["pranet", "negatives", "pranet"])
    assert [row.name for row in rows] == ["pranet/cvc-clinicdb", "pranet/kvasir-seg", "negatives"]
    assert missing == ()


def test_seen_frames_are_refused_by_name(bundle_of: BundleOf, data: Path) -> None:
    first, second, third, fourth = sorted(pranet_test_clinicdb())[:4]
    train = tuple(f"cvc-clinicdb/{name}" for name in (first, second, third))
    manifest = manifest_of(
        bundle_of("tutorial", train=train, validation=(f"cvc-clinicdb/{fourth}",))
    )
    with pytest.raises(SeenFrames) as caught:
        choose_rows(manifest, data, ["pranet"])
    assert str(caught.value) == (
        "Bundle tiny/1 has seen 4 of the 62 frames of 'pranet/cvc-clinicdb': "
        f"{train[0]} (training), {train[1]} (training), {train[2]} (training) and 1 more. "
        "It was trained on split 'tutorial'; a score on them says nothing."
    )


@pytest.mark.parametrize("role", ["train", "validation"])
def test_one_seen_frame_is_enough(bundle_of: BundleOf, data: Path, role: str) -> None:
    manifest = manifest_of(bundle_of("tutorial", **{role: ("negatives/152",)}))
    with pytest.raises(SeenFrames, match=r"1 of the 6 frames of 'negatives': negatives/152 \("):
        choose_rows(manifest, data, ["negatives"])
    rows, _ = choose_rows(manifest, data, ["tutorial"])
    assert rows[0].name == "tutorial"
