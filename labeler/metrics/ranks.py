"""How alike two scores order the same features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt, tanh

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import percentile_interval
from labeler.metrics.moments import Floats

REPLICATES = 1000
MANY = 2000
"""Features above which the interval is the normal one on Fisher's scale; the bootstrap's agrees with it there."""
FEWEST = 10
"""Features below which an interval would say nothing."""
AT_A_TIME = 2**20
"""Counts that are held at a time, roughly."""

Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """Spearman's correlation with its 95 % interval."""

    value: float | None
    """None where one side is constant, or there are fewer than two features."""
    low: float | None
    """None where there is no value, or fewer than ten features."""
    high: float | None
    n: int
    """Features."""


def rank_correlation(
    a: Sequence[float] | Floats, b: Sequence[float] | Floats, *, replicates: int = REPLICATES, seed: int = 0
) -> RankCorrelation:
    """Spearman's ρ (1904) of [n] and [n] scores of the same features: Pearson's r of their ranks, ties at the middle rank.

    The 95 % interval is a bootstrap over features; ranks are taken anew in each replicate, and one in which a side is
    constant counts as 0. Of more than 2,000 features it is the normal one on Fisher's scale, with the standard error of
    Bonett & Wright (2000). Raises ValueError where the lengths differ or a score is not finite.
    """
    first, second = (np.asarray(side, dtype=np.float64) for side in (a, b))
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"scores {first.shape} and {second.shape} must be [n] each")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("only finite scores have a rank")
    n = len(first)
    x, y = (np.unique(side, return_inverse=True)[1].astype(np.int64) for side in (first, second))
    value = float(_spearman(np.ones((1, n)), x, y)[0]) if n > 1 else np.nan
    if np.isnan(value):
        return RankCorrelation(value=None, low=None, high=None, n=n)
    if n < FEWEST:
        return RankCorrelation(value=value, low=None, high=None, n=n)
    if n > MANY:
        low, high = _normal_interval(value, n)
    else:
        low, high = percentile_interval(np.nan_to_num(_replicates(x, y, replicates, seed)))
    return RankCorrelation(value=value, low=min(low, value), high=max(high, value), n=n)


def _replicates(first: Places, second: Places, replicates: int, seed: int) -> Floats:
    """[replicates] correlations of n features drawn with replacement out of n; NaN where a side is constant."""
    rng, n = np.random.default_rng(seed), len(first)
    step = max(1, AT_A_TIME // n)
    found = []
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        draws = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(draws.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        found.append(_spearman(counts, first, second))
    return np.concatenate(found)


def _spearman(counts: Floats, first: Places, second: Places) -> Floats:
    """[replicates] rank correlations of features that count [replicates, n] times; NaN where a side is constant.

    A side is given by the place of each feature among its distinct values: [n].
    """
    x, y = _middle_ranks(counts, first), _middle_ranks(counts, second)
    xx, yy, xy = ((counts * left * right).sum(axis=1) for left, right in ((x, x), (y, y), (x, y)))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where((xx > 0) & (yy > 0), xy / np.sqrt(xx * yy), np.nan)
    return np.clip(found, -1.0, 1.0)


def _middle_ranks(counts: Floats, places: Places) -> Floats:
    """[replicates, n] the middle rank of each feature's ties, less the mean of all ranks."""
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    ties = np.add.reduceat(counts[:, order], starts, axis=1)
    middle = np.cumsum(ties, axis=1) - ties / 2  # from 0 on, so that the mean of all is half their number
    ranks: Floats = (middle - counts.sum(axis=1, keepdims=True) / 2)[:, places]
    return ranks


def _normal_interval(value: float, n: int) -> tuple[float, float]:
    if abs(value) == 1:
        return value, value
    half = 1.96 * sqrt((1 + value * value / 2) / (n - 3))
    return tanh(atanh(value) - half), tanh(atanh(value) + half)
