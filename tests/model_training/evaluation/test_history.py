"""Reading the history of a run."""

from pathlib import Path

import pytest

from model_training.evaluation.history import COLUMNS, HistoryError, read_history


def test_the_columns_that_training_writes(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,loss,dice,recall,precision,val_loss,val_dice,val_recall,val_precision,"
        "learning_rate,seconds,note\n"
        "0.0,0.5,0.4,0.3,0.2,0.6,0.5,0.4,0.3,0.0001,50.5,x\n"
        "1.0,0.4,0.5,0.4,0.3,0.5,0.6,0.5,0.4,1e-05,49.5,y\n"
    )
    history = read_history(path)
    assert set(history) == set(COLUMNS)
    assert history["epoch"] == [0, 1]
    assert history["val_dice"] == [0.5, 0.6]
    assert history["learning_rate"] == [1e-4, 1e-5]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", "holds no epoch", id="empty"),
        pytest.param(",".join(COLUMNS) + "\n", "holds no epoch", id="heading alone"),
        pytest.param("epoch,loss\n0,1\n", "has no column 'dice'", id="column missing"),
    ],
)
def test_a_file_that_is_no_history(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(HistoryError, match=fault):
        read_history(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="No such file"):
        read_history(tmp_path / "history.csv")
