"""The tutorial's Dice, against scikit-learn and by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from model_training.losses import dice_loss, soft_dice


@given(seed=st.integers(0, 2**32 - 1))
def test_soft_dice_of_binary_maps_is_the_f1_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 2, (2, 2, 8, 8, 1)).astype(np.float32)

    assert float(soft_dice(first, second)) == pytest.approx(
        f1_score(second.ravel(), first.ravel()), abs=1e-6
    )


def test_an_empty_mask_predicted_empty_is_perfect() -> None:
    empty = np.zeros((1, 8, 8, 1), np.float32)

    assert float(soft_dice(empty, empty)) == 1.0


def test_dice_loss_takes_logits() -> None:
    target = np.array([1, 1, 0, 0], np.float32).reshape(1, 2, 2, 1)
    logits = np.log(np.array([9, 9, 1 / 9, 1 / 9], np.float32)).reshape(1, 2, 2, 1)

    # Probabilities are 0.9, 0.9, 0.1, 0.1: 2 * 1.8 / (2 + 2).
    assert float(dice_loss(logits, target)) == pytest.approx(0.1, abs=1e-6)
