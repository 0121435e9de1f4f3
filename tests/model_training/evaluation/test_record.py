"""Records: what is kept can be read again, is no larger than it must be, and holds no image."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from app.imaging import compress_rle, encode_rle
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.protocols import Row
from model_training.evaluation.record import RECORD, RecordError, read_record
from model_training.evaluation.results import summarise
from tests.model_training.evaluation.conftest import MakeKept, MakeScore, draw


def test_what_is_kept_is_read_again(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path
) -> None:
    scores = tuple(make_score(f"kvasir-seg/{n}", counts=(50 + n, 3, 9)) for n in range(5))
    quiet = (make_score("negatives/1", counts=(0, 0, 0)),)
    metrics = {
        "model_time": {"ratio": 0.3},
        "validation": {"frames": 7.0},
        "tutorial": {"dice": 0.1},
    }
    made = make_kept(
        tmp_path / "kept", {"pranet/kvasir-seg": scores, "negatives": quiet}, metrics=metrics
    )

    kept = read_record(tmp_path / "kept")

    assert kept == made
    assert {path.name for path in kept.folder.iterdir()} == {
        RECORD,
        "pranet-kvasir-seg.jsonl.gz",
        "negatives.jsonl.gz",
    }
    assert kept.scores("pranet/kvasir-seg") == scores
    assert kept.scores("negatives") == quiet
    again = summarise(Row("again", ()), scores, Bootstrap(resamples=50)).figures
    assert kept.record.rows["pranet/kvasir-seg"].figures == again.values
    assert kept.record.rows["pranet/kvasir-seg"].intervals == again.intervals
    assert kept.record.measured.keys() == {"model_time", "validation"}


def test_the_same_scores_are_the_same_bytes(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        make_kept(tmp_path / name, {"tutorial": [make_score()]}, split="tutorial")
    for file in (RECORD, "tutorial.jsonl.gz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_earlier_record_leaves_no_scores_behind(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "negatives.jsonl.gz").write_bytes(b"of another model")
    (folder / "notes.md").write_text("stays")
    make_kept(folder, {"tutorial": [make_score()]})
    assert {path.name for path in folder.iterdir()} == {RECORD, "tutorial.jsonl.gz", "notes.md"}


def test_masks_are_small(make_kept: MakeKept, make_score: MakeScore, tmp_path: Path) -> None:
    scores = []
    for seed in range(40):
        _, mask = draw(seed, 288, 384)
        scores.append(replace(make_score(str(seed)), counts=compress_rle(encode_rle(mask))))
    kept = make_kept(tmp_path / "kept", {"tutorial": scores})
    size = sum(path.stat().st_size for path in kept.folder.glob("*.gz"))
    assert size < 40 * 1000


@pytest.mark.parametrize("damage", [b"no archive", gzip.compress(b"{}\n"), None])
def test_damaged_scores_are_one_line(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path, damage: bytes | None
) -> None:
    kept = make_kept(tmp_path / "kept", {"tutorial": [make_score()]})
    path = kept.folder / "tutorial.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(RecordError, match=r"tutorial\.jsonl\.gz cannot be read") as error:
        kept.scores("tutorial")
    assert "\n" not in str(error.value)


def test_scores_that_are_missing_are_one_line(
    make_kept: MakeKept, make_score: MakeScore, tmp_path: Path
) -> None:
    kept = make_kept(tmp_path / "kept", {"tutorial": [make_score()]})
    with pytest.raises(RecordError, match="has no row 'negatives'"):
        kept.scores("negatives")
    (kept.folder / "tutorial.jsonl.gz").write_bytes(b"")
    with pytest.raises(RecordError, match="holds 0 frames, expected 1"):
        kept.scores("tutorial")


def test_no_record_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read_record(tmp_path)
    (tmp_path / RECORD).write_text('{"bundle": 1}')
    with pytest.raises(RecordError, match="is no record") as error:
        read_record(tmp_path)
    assert "\n" not in str(error.value)
