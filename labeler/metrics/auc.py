"""How well a number ranks the contexts in which a feature fires above those in which it does not."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import percentile_interval, resample, resampling_classes
from labeler.metrics.estimate import Estimate, measured
from labeler.metrics.moments import Floats
from labeler.metrics.proportions import Z

Yes = NDArray[np.bool_]
Numbers = NDArray[np.floating[Any]]


def area(truth: Yes, number: Numbers, weight: Floats) -> float | None:
    """The chance that a firing context drawn by weight has a higher number than a silent one, ties counted half.

    All are [n], weights positive; None where a class is missing. Raises ValueError where shapes disagree or a number is
    not finite.
    """
    check(truth, number, weight)
    if not truth.any() or truth.all():
        return None
    return float(np.average(won(truth, number, weight)[truth], weights=weight[truth]))


def auc(
    truth: Yes,
    number: Numbers,
    weight: Floats,
    stratum: NDArray[np.integer[Any]],
    *,
    precision: float = 0.15,
    seed: int = 0,
) -> Estimate:
    """The weighted area under the receiver operating characteristic: [n] each, ``stratum`` 0 where silent.

    The 95 % interval is a percentile bootstrap of the area's linear part: what a context wins on average against those of
    the other class, less the area (DeLong et al. 1988), drawn again within strata (`resample`, `resampling_classes`),
    firing and silent contexts apart. It is never narrower than the score interval of Hanley & McNeil's (1982) variance at
    the classes' effective sizes, (Σw)² / Σw²: at an area of 0 or 1 no replicate shows any spread.
    ``imprecise`` where half of it exceeds ``precision``, ``undefined`` where a class is missing. Raises ValueError where
    shapes disagree or a number is not finite.
    """
    value = area(truth, number, weight)
    if np.shape(stratum) != np.shape(truth):
        raise ValueError(f"stratum {np.shape(stratum)} must be [{len(truth)}]")
    if value is None:
        reason = "no context at hand " + ("is silent" if truth.any() else "fires")
        return Estimate(n_contexts=len(truth), state="undefined", reason=reason)
    # Apart, also where a single silent context was put with the firing ones.
    classes = 2 * resampling_classes(np.where(truth, stratum, 0)) + truth
    total = np.where(truth, weight[truth].sum(), weight[~truth].sum())
    linear = weight * (won(truth, number, weight) - value) / total
    replicates = value + resample(linear[:, None], classes, seed=seed)[:, 0]
    low, high = percentile_interval(replicates)
    least = score_interval(value, effective(weight[truth]), effective(weight[~truth]))
    low, high = max(0.0, min(low, least[0])), min(1.0, max(high, least[1]))
    return measured(value, low, high, float(replicates.std()), len(truth), precision)


def won(truth: Yes, number: Numbers, weight: Floats) -> Floats:
    """[n] the share, by weight, of the other class that a context is on the right side of; ties count half."""
    _, group = np.unique(number, return_inverse=True)
    firing, silent = (np.bincount(group, np.where(side, weight, 0.0)) for side in (truth, ~truth))
    below = (np.cumsum(silent) - silent / 2) / silent.sum()
    above = 1 - (np.cumsum(firing) - firing / 2) / firing.sum()
    found: Floats = np.where(truth, below[group], above[group])
    return found


def check(truth: Yes, number: Numbers, weight: Floats) -> None:
    """Raise ValueError unless all are [n], numbers finite and weights positive."""
    if np.ndim(number) != 1 or np.shape(truth) != np.shape(number) or np.shape(weight) != np.shape(number):
        raise ValueError(
            f"truth {np.shape(truth)}, number {np.shape(number)}, weight {np.shape(weight)} must be [n] each"
        )
    if not np.isfinite(number).all():
        raise ValueError("what contexts are ranked by must be finite")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("every context needs a positive, finite weight")


def effective(weight: Floats) -> float:
    """The number of equal draws that weighted ones are worth (Kish 1965)."""
    return float(weight.sum() ** 2 / np.square(weight).sum())


def score_interval(value: float, n_firing: float, n_silent: float) -> tuple[float, float]:
    """The areas of whose own standard error the observed one is within 1.96."""
    ends = []
    for end in (0.0, 1.0):
        near, far = value, end
        for _ in range(40):
            middle = (near + far) / 2
            if abs(middle - value) <= Z * sqrt(variance(middle, n_firing, n_silent)):
                near = middle
            else:
                far = middle
        ends.append(near)
    return ends[0], ends[1]


def variance(area: float, m: float, n: float) -> float:
    """Hanley & McNeil's variance of an area of m against n contexts."""
    both = area / (2 - area) - area * area, 2 * area * area / (1 + area) - area * area
    return max(0.0, (area * (1 - area) + (m - 1) * both[0] + (n - 1) * both[1]) / (m * n))
