"""The hash of the frames' files."""

from dataclasses import replace
from pathlib import Path

from model_training.datasets import hash_frames, read_kvasir
from tests.model_training.generated import picture, save, write_pairs


def test_where_the_files_lie_has_no_influence(tmp_path: Path) -> None:
    hashes = set()
    for place in ("here", "there"):
        write_pairs(tmp_path / place, ["a", "b"])
        hashes.add(hash_frames(read_kvasir(tmp_path / place).frames))
    assert len(hashes) == 1


def test_contents_names_order_and_masks_count(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b"])
    frames = list(read_kvasir(tmp_path).frames)
    hashes = [
        hash_frames(frames),
        hash_frames(frames[::-1]),
        hash_frames(frames[:1]),
        hash_frames([replace(frames[0], name="c"), frames[1]]),
        hash_frames([replace(frames[0], mask=None), frames[1]]),
    ]
    save(tmp_path / "masks/a.png", picture(9)[1])
    hashes.append(hash_frames(frames))
    assert len(set(hashes)) == len(hashes)
