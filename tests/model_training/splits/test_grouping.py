"""Sequences are never divided."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from model_training.datasets import Frame
from model_training.splits.grouping import by_sequence, hold_out
from model_training.splits.sequence import balance

sizes = st.lists(st.integers(1, 30), min_size=5, max_size=30)


def frames(sizes: list[int], dataset: str = "d") -> list[Frame]:
    """Return frames whose sequences have the given sizes, dealt out in turn."""
    named = [
        (place, Frame(dataset, f"{number}-{place}", Path(), None, f"{dataset}/{number}"))
        for number, size in enumerate(sizes)
        for place in range(size)
    ]
    return [frame for _, frame in sorted(named, key=lambda item: item[0])]


def test_groups_keep_the_order_of_the_frames() -> None:
    groups = by_sequence(frames([2, 1]))
    assert {name: [frame.name for frame in group] for name, group in groups.items()} == {
        "d/0": ["0-0", "0-1"],
        "d/1": ["1-0"],
    }


@given(sizes, st.floats(0.05, 0.5), st.text(max_size=3))
def test_held_out_sequences_are_whole_and_close_to_the_share(
    sizes: list[int], share: float, salt: str
) -> None:
    both = [*frames(sizes, "d"), *frames([1] * 40, "e")]
    rest, held = hold_out(both, share, salt)
    assert sorted([*rest, *held], key=both.index) == both
    assert {f.sequence for f in rest}.isdisjoint(f.sequence for f in held)
    for dataset, total, longest in (("d", sum(sizes), max(sizes)), ("e", 40, 1)):
        size = sum(frame.dataset == dataset for frame in held)
        assert abs(size - share * total) <= longest / 2 + 1e-9
    # Another data set beside it does not change the cut.
    assert hold_out(frames([1] * 40, "e"), share, salt)[1] == tuple(
        frame for frame in held if frame.dataset == "e"
    )


def test_another_salt_gives_another_cut() -> None:
    singles = frames([1] * 40)
    assert hold_out(singles, 0.5, "a") != hold_out(singles, 0.5, "b")


@given(sizes)
def test_balanced_folds_hold_every_sequence_once(sizes: list[int]) -> None:
    folds = balance(frames(sizes), 5)
    sequences = [{frame.sequence for frame in fold} for fold in folds]
    assert sum(len(names) for names in sequences) == len(sizes) == len(set().union(*sequences))
    assert sum(len(fold) for fold in folds) == sum(sizes)
    lengths = [len(fold) for fold in folds]
    assert max(lengths) - min(lengths) <= max(sizes)
