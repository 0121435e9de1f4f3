"""The temperature that makes probabilities honest: one number, fitted on validation frames."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: NDArray[np.float32], polyp: NDArray[np.bool_]) -> float:
    """Find the temperature that makes the truth most likely.

    The negative log-likelihood of `sigmoid(logits / T)` is convex in 1 / T, so it has one minimum
    along T (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). The contour at
    probability 0.5 does not move.

    Args:
        logits: Float `[pixels]`.
        polyp: `[pixels]`, whether a pixel is polyp.

    Returns:
        Within 0.05 and 20, rounded to four digits; 1 where there are no pixels.
    """
    if not logits.size:
        return 1.0
    wrong = np.where(polyp, -logits, logits)

    def loss(exponent: float) -> float:
        return float(np.logaddexp(0, wrong / np.float32(math.exp(exponent))).mean(dtype=np.float64))

    bounds = math.log(LOWEST), math.log(HIGHEST)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return round(math.exp(found.x), 4)
