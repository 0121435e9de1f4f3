"""What has nearly been seen is counted."""

from pathlib import Path

from model_training.datasets import Frame
from model_training.splits import Leakage, Role, Split, leakage, pranet, sequence, tutorial
from tests.model_training.generated import clinicdb_frames, kvasir_frames


def clinicdb(name: int, sequence: int) -> Frame:
    return Frame("cvc-clinicdb", str(name), Path(), None, f"cvc-clinicdb/{sequence}")


def kvasir(name: str, sequence: str) -> Frame:
    return Frame("kvasir-seg", name, Path(), None, f"kvasir-seg/{sequence}")


def test_counts_sequences_pairs_and_neighbours() -> None:
    split = Split(
        "some",
        train=(clinicdb(1, 1), clinicdb(5, 1), clinicdb(20, 2), kvasir("a", "a")),
        validation=(clinicdb(9, 1), clinicdb(30, 3)),
        test=(
            clinicdb(2, 1),  # after frame 1
            clinicdb(3, 1),  # in the sequence, two frames away
            clinicdb(21, 4),  # after frame 20, in another video
            clinicdb(31, 3),  # its neighbour validates
            kvasir("b", "a"),  # a pair
            kvasir("c", "c"),
        ),
    )
    train: tuple[Role, ...] = ("train",)
    both: tuple[Role, ...] = ("train", "validation")
    assert leakage(split) == (
        Leakage("some", "validation", train, "cvc-clinicdb", 2, 1, 0),
        Leakage("some", "test", train, "cvc-clinicdb", 4, 2, 1),
        Leakage("some", "test", train, "kvasir-seg", 2, 1, 0),
        Leakage("some", "test", both, "cvc-clinicdb", 4, 3, 2),
        Leakage("some", "test", both, "kvasir-seg", 2, 1, 0),
    )


def test_every_test_frame_of_the_tutorial_shares_its_video_with_training() -> None:
    (row,) = [
        r for r in leakage(tutorial(clinicdb_frames())) if (r.role, len(r.against)) == ("test", 1)
    ]
    assert (row.frames, row.same_sequence, row.neighbour) == (61, 61, 57)


def test_pranets_test_frames_are_in_the_videos_of_its_published_training_set() -> None:
    rows = leakage(pranet(clinicdb_frames(), kvasir_frames()))
    published = {r.dataset: r for r in rows if r.role == "test" and len(r.against) == 2}
    assert published["cvc-clinicdb"].same_sequence == 62
    assert published["cvc-clinicdb"].neighbour == 62
    assert published["kvasir-seg"].same_sequence == 0


def test_the_folds_by_sequence_leak_nothing() -> None:
    for split in sequence(clinicdb_frames(), kvasir_frames()):
        for row in leakage(split):
            assert (row.same_sequence, row.neighbour) == (0, 0)
