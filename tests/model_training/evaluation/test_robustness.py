"""What perturbations cost, on the way of a request."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from app.imaging import resize, upsample
from app.inference import Bundle, Engine, load_bundle
from model_training.datasets import DatasetError, Frame
from model_training.evaluation.intervals import Bootstrap
from model_training.evaluation.perturbations import Perturbation, gain, quarter_turn
from model_training.evaluation.robustness import perturbed_merit, robustness
from model_training.evaluation.scoring import FrameScore
from tests.bundles import tiny_probability, write_tiny_bundle

MakeScore = Callable[..., FrameScore]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    write_tiny_bundle(tmp_path / "tiny", height=32, width=48)
    return load_bundle(tmp_path / "tiny")


def test_a_perturbed_frame_is_scored_where_the_perturbation_left_it(
    frame: Frame, bundle: Bundle, engine: Engine
) -> None:
    perturbations: dict[str, Perturbation] = {
        "same": lambda image, truth: (image, truth),
        "turned": quarter_turn,
        "blue": partial(gain, red=0.1, green=1.0, blue=1.0),
    }
    merits = perturbed_merit(engine, bundle.manifest, frame, perturbations)
    for name, perturb in perturbations.items():
        image, truth = perturb(frame.read_image(), frame.read_mask())
        probability = upsample(tiny_probability(resize(image, 32, 48)), *truth.shape)
        expected = f1_score(truth.ravel() > 0, probability.ravel() >= 0.5, zero_division=0)
        assert merits[name] == pytest.approx(expected, abs=1e-3)
    assert merits["blue"] == 0 < merits["turned"]


def test_without_a_polyp_alarms_are_counted(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    healthy = replace(frame, mask=None)
    perturbations: dict[str, Perturbation] = {
        "red": partial(gain, red=2, green=1, blue=1),
        "blue": partial(gain, red=0.1, green=1, blue=1),
    }
    assert perturbed_merit(engine, bundle.manifest, healthy, perturbations) == {"red": 1, "blue": 0}


def test_a_broken_frame_is_named(frame: Frame, bundle: Bundle, engine: Engine) -> None:
    frame.image.write_bytes(b"no image")
    with pytest.raises(DatasetError, match="drawn/5: "):
        perturbed_merit(engine, bundle.manifest, frame)


def test_the_change_is_that_of_the_same_frames(make_score: MakeScore) -> None:
    random = np.random.default_rng(0)
    scores = [make_score(str(n), counts=(int(random.integers(5, 99)), 9, 9)) for n in range(40)]
    merits = [{"foggy": score.mask.dice - 0.01} for score in scores]
    figures = robustness(scores, merits, Bootstrap(resamples=100), polyps=True)["foggy"]
    assert figures.values["change"] == pytest.approx(-0.01)
    assert figures.values["dice"] == pytest.approx(
        np.mean([score.mask.dice for score in scores]) - 0.01
    )
    # Frames differ among each other, but each loses the same.
    assert figures.intervals["change"] == pytest.approx((-0.01, -0.01))
    low, high = figures.intervals["dice"]
    assert high - low > 0.01


def test_alarms_have_a_rate(make_score: MakeScore) -> None:
    scores = [make_score(str(n)) for n in range(4)]
    merits = [{"foggy": float(n == 0)} for n in range(4)]
    figures = robustness(scores, merits, Bootstrap(), polyps=False)["foggy"]
    assert figures.values == {"false_alarm_rate": 0.25}
    low, high = figures.intervals["false_alarm_rate"]
    assert 0 < low < 0.25 < high < 1
