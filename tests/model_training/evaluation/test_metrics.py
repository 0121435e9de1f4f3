"""Metrics against scikit-learn, a plain loop, and formulas written another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from model_training.evaluation.metrics import (
    Confusion,
    batch_soft_dice,
    confusion,
    mean_absolute_error,
    soft_overlap,
    threshold_mean_dice,
)

Mask = NDArray[np.uint8]
masks = arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 255]))
maps = arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32))

EMPTY = np.zeros((5, 7), np.uint8)
FULL = np.full((5, 7), 255, np.uint8)


@settings(deadline=None)  # the first call loads scikit-learn
@given(masks, masks)
def test_ratios_agree_with_scikit_learn(prediction: Mask, truth: Mask) -> None:
    found = confusion(prediction, truth)
    # Our convention in scikit-learn's words: 0/0 is 1 when both are empty, else 0.
    zero = 1 if not prediction.any() and not truth.any() else 0
    flat = truth.ravel() // 255, prediction.ravel() // 255
    assert found.dice == pytest.approx(f1_score(*flat, zero_division=zero))
    assert found.iou == pytest.approx(jaccard_score(*flat, zero_division=zero))
    assert found.recall == pytest.approx(recall_score(*flat, zero_division=zero))
    assert found.precision == pytest.approx(precision_score(*flat, zero_division=zero))


@given(masks, masks)
def test_counts_agree_with_a_loop(prediction: Mask, truth: Mask) -> None:
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for marked, polyp in zip(prediction.ravel(), truth.ravel(), strict=True):
        counts[bool(marked), bool(polyp)] += 1
    assert confusion(prediction, truth) == Confusion(
        true_positive=counts[True, True],
        false_positive=counts[True, False],
        false_negative=counts[False, True],
    )


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        pytest.param(EMPTY, EMPTY, 1.0, id="both empty"),
        pytest.param(FULL, EMPTY, 0.0, id="truth empty"),
        pytest.param(EMPTY, FULL, 0.0, id="prediction empty"),
        pytest.param(FULL, FULL, 1.0, id="both full"),
    ],
)
def test_empty_masks(prediction: Mask, truth: Mask, expected: float) -> None:
    found = confusion(prediction, truth)
    assert (found.dice, found.iou, found.recall, found.precision) == (expected,) * 4


@given(maps, masks)
def test_mean_absolute_error_agrees_with_a_loop(
    probability: NDArray[np.float32], truth: Mask
) -> None:
    gaps = [
        abs(float(p) - (1.0 if t else 0.0))
        for p, t in zip(probability.ravel(), truth.ravel(), strict=True)
    ]
    found = mean_absolute_error(probability, truth)
    assert found == pytest.approx(sum(gaps) / len(gaps), abs=1e-6)


@given(maps, masks)
def test_threshold_mean_agrees_with_one_threshold_at_a_time(
    probability: NDArray[np.float32], truth: Mask
) -> None:
    # PySODMetrics' recipe without its cumulative histograms.
    low, high = float(probability.min()), float(probability.max())
    stretched = (probability - low) / (high - low) if high > low else probability
    level, polyp = (stretched * 255).astype(np.uint8), truth > 128
    scores = []
    for threshold in range(256):
        marked = level >= threshold
        both = marked.sum() + polyp.sum()
        scores.append(2 * (marked & polyp).sum() / both if both else 1.0)
    assert threshold_mean_dice(probability, truth) == pytest.approx(np.mean(scores))


def test_threshold_mean_does_not_see_a_rescaled_map() -> None:
    truth = np.tile(np.array([0, 0, 255, 255], np.uint8), (4, 1))
    certain = np.tile(np.array([0.0, 0.25, 0.75, 1.0], np.float32), (4, 1))
    assert threshold_mean_dice(certain * 0.5, truth) == threshold_mean_dice(certain, truth)


def test_batch_soft_dice_agrees_with_the_formula_on_whole_batches() -> None:
    generator = np.random.default_rng(3)
    probability = generator.random((19, 6, 6), dtype=np.float32)
    truth = (generator.random((19, 6, 6)) > 0.7).astype(np.uint8)
    expected = []
    for start in range(0, 19, 8):
        p = probability[start : start + 8].astype(np.float64).flatten()
        t = truth[start : start + 8].flatten()
        intersection = (p * t).sum()
        expected.append((2.0 * intersection + 1e-15) / (t.sum() + p.sum() + 1e-15))
    assert len(expected) == 3
    sums = [soft_overlap(p, t) for p, t in zip(probability, truth, strict=True)]
    rows = np.array([[one.intersection, one.prediction, one.truth] for one in sums])
    assert batch_soft_dice(rows, 8) == pytest.approx(np.mean(expected), abs=1e-12)


def test_batch_soft_dice_of_nothing_found_where_nothing_is() -> None:
    assert batch_soft_dice(np.zeros((3, 3)), 2) == 1.0


@pytest.mark.parametrize(
    "compare", [mean_absolute_error, threshold_mean_dice, soft_overlap, confusion]
)
def test_shapes_must_agree(compare: object) -> None:
    assert callable(compare)
    with pytest.raises(ValueError, match=r"\(4, 4\), truth \(4, 5\)"):
        compare(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.uint8))
