"""The tutorial's Dice, against scikit-learn and by its definition."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from model_training.losses import boundary_loss, dice_loss, soft_dice


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


def test_boundary_loss_counts_pixels_near_a_boundary_more() -> None:
    target = np.zeros((1, 88, 88, 1), np.float32)
    target[:, :, 44:] = 1
    right = np.where(target > 0, 6, -6).astype(np.float32)
    far, near = right.copy(), right.copy()
    far[:, 40:44, 4:8] = 6
    near[:, 40:44, 40:44] = 6

    losses = [float(boundary_loss(logits, target)) for logits in (right, far, near)]

    assert losses[0] < losses[1] < losses[2]


def test_boundary_loss_of_a_flat_target_is_cross_entropy_plus_soft_iou() -> None:
    target = np.ones((2, 32, 32, 1), np.float32)
    logits = np.full((2, 32, 32, 1), 1.5, np.float32)
    probability = 1 / (1 + np.exp(-1.5))
    overlap, total = 1024 * probability, 1024 * (1 + probability)
    iou = (overlap + 1) / (total - overlap + 1)

    loss = float(boundary_loss(logits, target))

    assert loss == pytest.approx(-np.log(probability) + 1 - iou, rel=1e-4)


def test_boundary_loss_weighs_by_the_mean_of_the_window_that_lies_inside() -> None:
    rng = np.random.default_rng(5)
    target = (rng.random((2, 40, 64, 1)) > 0.7).astype(np.float32)
    logits = rng.normal(size=target.shape).astype(np.float32)
    # The window is 31 / 352 of the height, made odd; TensorFlow's pooling leaves the padding out.
    near = tf.nn.avg_pool2d(target, 3, 1, "SAME").numpy()
    weight = 1 + 5 * np.abs(near - target)
    probability = 1 / (1 + np.exp(-logits))
    entropy = -np.log(np.where(target > 0, probability, 1 - probability))
    overlap = np.sum(weight * probability * target, (1, 2, 3))
    union = np.sum(weight * (probability + target), (1, 2, 3)) - overlap
    expected = np.sum(weight * entropy, (1, 2, 3)) / np.sum(weight, (1, 2, 3))
    expected += 1 - (overlap + 1) / (union + 1)

    assert float(boundary_loss(logits, target)) == pytest.approx(np.mean(expected), rel=1e-5)
