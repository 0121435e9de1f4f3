"""Two devices that share each batch train as one device does."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_training.replicas import ReplicasError, check_shares

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    script = "tests.model_training.replicated_run"
    done = subprocess.run(
        [sys.executable, "-m", script, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    return folder


def _curve(run: Path, name: str) -> list[float]:
    with (run / "history.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def _weights(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "checkpoint.npz") as file:
        return {name: file[name] for name in file.files if name != "state"}


@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_without_batch_normalisation_two_devices_agree_with_one_but_for_rounding(
    runs: Path, name: str
) -> None:
    # float32 has 24 bits; the sums of some thousand terms are added in another order.
    assert _curve(runs / "plain-two", name) == pytest.approx(
        _curve(runs / "plain-one", name), rel=1e-6
    )
    one, two = _weights(runs / "plain-one"), _weights(runs / "plain-two")
    assert set(one) == set(two)
    for key, expected in one.items():
        np.testing.assert_allclose(two[key], expected, rtol=1e-5, atol=1e-6, err_msg=key)


def test_with_batch_normalisation_they_agree_within_its_noise(runs: Path) -> None:
    one, two = _curve(runs / "normalised-one", "loss"), _curve(runs / "normalised-two", "loss")

    # A twentieth of what the run has learnt; the statistics of two frames are not those of four.
    assert two == pytest.approx(one, abs=0.05 * (one[0] - one[-1]))
    assert two != one


def test_a_run_on_two_devices_goes_on_from_its_checkpoint_bit_for_bit(runs: Path) -> None:
    whole, resumed = runs / "normalised-two", runs / "interrupted"

    for name in ("loss", "val_loss"):
        assert _curve(resumed, name) == _curve(whole, name)
    for key, expected in _weights(whole).items():
        np.testing.assert_array_equal(_weights(resumed)[key], expected, err_msg=key)


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    check_shares(16, 2)
    check_shares(7, 1)
    check_shares(7, 0)
    with pytest.raises(ReplicasError, match="A batch of 7 does not divide by 2 GPUs"):
        check_shares(7, 2)
