"""The fitted temperature against the one that made the data, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from model_training.evaluation.temperature import fit_temperature


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_made_the_data_is_found(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0.5, 3, 200_000).astype(np.float32)
    polyp = random.uniform(size=logits.size) < expit(logits / temperature)
    assert fit_temperature(logits, polyp) == pytest.approx(temperature, rel=0.02)


@given(st.integers(0, 1000), st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_it_is_logistic_regression_without_an_offset(seed: int, temperature: float) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, 400).astype(np.float32)
    polyp = random.uniform(size=logits.size) < expit(logits / temperature)
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8)
    (slope,) = oracle.fit(logits[:, None].astype(float), polyp).coef_.ravel()
    if 0.06 < 1 / slope < 19:
        assert fit_temperature(logits, polyp) == pytest.approx(1 / slope, rel=2e-3)


def test_what_cannot_be_improved_stays_in_bounds() -> None:
    logits = np.array([-3, -1, 2, 4], np.float32)
    assert 0.05 <= fit_temperature(logits, logits > 0) < 0.06
    assert 19 < fit_temperature(logits, logits < 0) <= 20


def test_no_pixels_no_change() -> None:
    assert fit_temperature(np.empty(0, np.float32), np.empty(0, np.bool_)) == 1.0
