"""The hash and the limit of a split."""

from dataclasses import replace
from pathlib import Path

from model_training.splits import Split
from tests.model_training.generated import clinicdb_frames

FRAMES = tuple(clinicdb_frames()[:6])
SPLIT = Split("some", FRAMES[:3], FRAMES[3:4], FRAMES[4:])


def test_the_hash_covers_roles_keys_and_order() -> None:
    others = [
        replace(SPLIT, train=FRAMES[2::-1]),
        replace(SPLIT, train=FRAMES[:2]),
        replace(SPLIT, train=FRAMES[:4], validation=()),
        replace(SPLIT, validation=FRAMES[4:], test=FRAMES[3:4]),
    ]
    hashes = {split.hash for split in (SPLIT, *others)}
    assert len(hashes) == 5


def test_the_hash_does_not_cover_the_place_of_the_files() -> None:
    moved = tuple(replace(frame, image=Path("elsewhere")) for frame in SPLIT.train)
    assert replace(SPLIT, train=moved).hash == SPLIT.hash


def test_a_full_split_trains_on_what_it_held_out_and_tests_the_same() -> None:
    full = SPLIT.full()
    assert full.name == "some-full"
    assert full.train == FRAMES[:4]
    assert full.validation == ()
    assert full.test == SPLIT.test
    assert full.hash != SPLIT.hash


def test_a_limit_keeps_the_first_frames_of_each_role_and_says_so() -> None:
    limited = SPLIT.limit(2)
    assert [len(frames) for _, frames in limited.roles()] == [2, 1, 2]
    assert limited.train == FRAMES[:2]
    assert limited.name == "some-limit-2"
    assert SPLIT.full().limit(2).name == limited.full().name == "some-limit-2-full"
