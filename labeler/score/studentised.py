"""The interval of a correlation: studentised bootstrap on Fisher's scale."""

from __future__ import annotations

import numpy as np

from labeler.score.bootstrap import percentile_interval, quadratic
from labeler.score.moments import Floats, influence, pearson

LIMIT = 1.0 - 1e-12
"""Correlations are held this side of 1, where Fisher's scale ends."""

FARTHEST = 8.0
"""Standard errors that a replicate may be off; some have hardly a spread of their own to measure it in."""

NEGLIGIBLE = 1e-9
"""A standard error below this is rounding: the prediction is perfect, or misses everything."""


def studentised_interval(totals: Floats, packed: Floats, replicates: tuple[Floats, Floats]) -> tuple[float, float]:
    """The 95 % interval of the correlation of ``totals`` [6] with packed covariance, given the bootstrap's replicates.

    Every replicate is measured in its own linearised standard error (percentile-t, Efron & Tibshirani 1993, ch. 12)
    after Fisher's transformation. A few contexts carry most of a sparse feature's sums of squares; where a replicate
    lacks them it is off the value and overconfident at once, which the studentised deviation shows and the plain
    percentile does not. A replicate without a correlation (a constant prediction) counts as the correlation 0, in the
    value's own standard error.
    """
    value, error = _fisher(totals, packed)
    if error < NEGLIGIBLE:
        return float(np.tanh(value)), float(np.tanh(value))
    deviates, errors = _fisher(*replicates)
    undefined = np.isnan(deviates)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(undefined, -value / error, (deviates - value) / errors)
    first, last = percentile_interval(np.clip(np.nan_to_num(t, nan=0.0), -FARTHEST, FARTHEST))
    return float(np.tanh(value - last * error)), float(np.tanh(value - first * error))


def _fisher(totals: Floats, packed: Floats) -> tuple[Floats, Floats]:
    """[...] the correlation on Fisher's scale, and its linearised standard error there."""
    r = np.clip(pearson(totals), -LIMIT, LIMIT)
    return np.arctanh(r), np.sqrt(quadratic(influence(totals), packed)) / (1 - r * r)
