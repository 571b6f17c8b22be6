"""How much of the true activation a prediction explains once it is brought to scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import percentile_interval, resample, resampling_classes
from labeler.metrics.estimate import Estimate, doubt, measured, undefined
from labeler.metrics.moments import TOKENS, Floats, Lengths, Truth, X, Y, centred, moments


def fit(totals: Floats) -> tuple[float, float] | None:
    """The slope and intercept of the least squares line from prediction to truth; None for a constant prediction.

    ``totals`` [6] are weighted moments, of the ``select`` split where the result is reported on ``score``.
    """
    _, yy, xy = centred(totals)
    if not yy:
        return None
    slope = float(xy / yy)
    return slope, float((totals[X] - slope * totals[Y]) / totals[TOKENS])


def variance_explained(
    truth: Truth,
    prediction: Truth,
    lengths: Lengths,
    weight: Floats,
    stratum: NDArray[np.integer[Any]],
    line: tuple[float, float] | None,
    *,
    precision: float = 0.15,
    seed: int = 0,
) -> Estimate:
    """The share of the true activation's variance over the corpus that a prediction explains, with its interval.

    Takes what `simulation` takes, and the ``line`` from prediction to truth that `fit` found on other contexts. The
    95 % interval is the bootstrap's over contexts within strata, for this line. At most 1, and below 0 where the mean
    activation would have been the better guess. Undefined for constant truth, or without a line.
    """
    found = moments(truth, prediction, lengths)
    n = len(found)
    weighted = found * np.asarray(weight, np.float64)[:, None]
    value = None if line is None else explained(weighted.sum(0), *line)
    firing = int((np.asarray(stratum) > 0).sum())
    if line is None or value is None:
        return undefined("truth or prediction is constant", firing, n)
    totals = resample(weighted, resampling_classes(np.asarray(stratum)), seed=seed)
    shares = np.nan_to_num(_explained(totals, *line))
    low, high = percentile_interval(shares)
    return measured(value, low, min(1.0, high), float(shares.std()), n, precision, doubt(firing, n - firing))


def explained(totals: Floats, slope: float, intercept: float) -> float | None:
    """One minus the squared error of the calibrated prediction over the variance of the truth; None for constant truth.

    ``totals`` [6] are weighted moments of other contexts than the line was fitted on. At most 1, and below 0 where the
    mean activation would have been the better guess.
    """
    found = float(_explained(totals, slope, intercept))
    return None if np.isnan(found) else found


def _explained(totals: Floats, slope: float, intercept: float) -> Floats:
    """The same of many totals [..., 6]: [...]; NaN for constant truth."""
    xx, yy, xy = centred(totals)
    # Around the means, where nothing large cancels: the spread of the residuals, and their mean.
    spread = xx - 2 * slope * xy + slope * slope * yy
    tokens = totals[..., TOKENS]
    offset = (totals[..., X] - slope * totals[..., Y]) / tokens - intercept
    return np.asarray(1 - (spread + tokens * offset * offset) / np.where(xx > 0, xx, np.nan))
