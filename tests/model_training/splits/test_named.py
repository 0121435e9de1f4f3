"""Splits are read by name."""

from pathlib import Path

import pytest

from model_training.datasets import DatasetError
from model_training.datasets.lists import pranet_test_kvasir
from model_training.splits import SPLITS, SplitError, read_split
from model_training.splits.negatives import FOR_TRAINING
from tests.model_training.generated import picture, save, write_pairs


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with pictures under all names of CVC-ClinicDB and some of Kvasir-SEG."""
    folder = tmp_path_factory.mktemp("data")
    names = [str(number) for number in range(1, 613)]
    write_pairs(folder / "cvc_clinicdb", names, size=(12, 16))
    write_pairs(folder / "kvasir_seg", [*pranet_test_kvasir(), *"abcdefghij"], size=(12, 16))
    return folder


@pytest.mark.parametrize("name", SPLITS)
def test_reads_a_split_by_its_name(generated: Path, name: str) -> None:
    split = read_split(name, generated)
    assert split.name == name
    frames = [frame for _, frames in split.roles() for frame in frames]
    assert len(frames) == (612 if name == "tutorial" else 722)
    assert frames[0].read_image().shape == (12, 16, 3)


@pytest.mark.parametrize("name", ["tutorial", "pranet", "sequence-2"])
def test_reads_a_split_in_full(generated: Path, name: str) -> None:
    assert read_split(f"{name}-full", generated) == read_split(name, generated).full()


def test_frames_without_a_polyp_that_would_validate_train_in_full(generated: Path) -> None:
    for number in range(FOR_TRAINING + 1):
        save(generated / f"negatives/{number:03d}.png", picture(number, 12, 16)[0])
    full = read_split("tutorial-full", generated, negatives=True)
    assert full.validation == ()
    assert full.test == read_split("tutorial", generated).test
    negatives = [frame for frame in full.train if frame.dataset == "negatives"]
    assert len({frame.key for frame in negatives}) == len(negatives) == FOR_TRAINING


def test_a_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="no split 'random'; there are: tutorial, pranet, seq"):
        read_split("random", tmp_path)
    with pytest.raises(SplitError, match=r"no split 'pranet-full-full'; .*; each with -full, too"):
        read_split("pranet-full-full", tmp_path)


def test_is_not_cut_from_what_happens_to_be_readable(tmp_path: Path) -> None:
    write_pairs(tmp_path / "cvc_clinicdb", ["1", "2", "3"])
    (tmp_path / "cvc_clinicdb/images/2.png").write_bytes(b"")
    (tmp_path / "cvc_clinicdb/masks/3.png").unlink()
    with pytest.raises(DatasetError) as error:
        read_split("tutorial", tmp_path)
    first, *faults = str(error.value).splitlines()
    assert first == "cvc-clinicdb has 2 faulty files:"
    assert [fault.split(":")[0] for fault in faults] == [
        f"  {tmp_path}/cvc_clinicdb/images/2.png",
        f"  {tmp_path}/cvc_clinicdb/images/3.png",
    ]
