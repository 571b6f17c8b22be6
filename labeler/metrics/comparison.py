"""Whether one correlation is better than another that was estimated on the same contexts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import covariance, resampling_classes
from labeler.metrics.moments import Floats, Lengths, Truth, influence, unit_moments

Interval = tuple[float, float, float]
"""A number with the ends of its 95 % interval: value, low, high."""

Verdict = Literal["better", "alike", "worse"]
"""How the first of two stands to the second."""


def dependence(
    truth: Truth,
    one: Truth,
    other: Truth,
    lengths: Lengths,
    weight: Floats,
    stratum: NDArray[np.integer[Any]],
    *,
    drawn: bool = False,
) -> float:
    """How the errors of two correlations with the same truth go together, -1 to 1; 0 where one of them has none.

    ``one`` and ``other`` are predictions [n, length] of the same contexts; the rest is as `simulation` takes it. It is the
    correlation of the two estimates over samples, by their linearised (influence) values within the design's classes.
    """
    weight, stratum = np.asarray(weight, np.float64), np.asarray(stratum)
    found = [unit_moments(truth, prediction, lengths) * weight[:, None] for prediction in (one, other)]
    values = np.stack([moments @ influence(moments.sum(0)) for moments in found], axis=1)
    if not np.isfinite(values).all():
        return 0.0
    classes = np.zeros(len(values), dtype=np.int64) if drawn else resampling_classes(stratum)
    first, both, second = covariance(values, classes).tolist()
    scale = math.sqrt(max(0.0, first)) * math.sqrt(max(0.0, second))
    return max(-1.0, min(1.0, both / scale)) if scale > 0 else 0.0


def difference(one: Interval, other: Interval, together: float = 0.0) -> Interval:
    """``one`` less ``other`` with its 95 % interval, out of theirs and of how far their errors go ``together``.

    The method of Zou (2007) for dependent correlations: its ends are as far off as those of the two in quadrature, less
    what both have in common. They are as good as those of the two: where a few tokens carry all of what parts them, which
    may be in no context at hand, it is too narrow. Where nobody knows how much that is, 0 makes it wider than it need be.
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    below, above = (a - a_low, b_high - b), (a_high - a, b - b_low)
    ends = [math.sqrt(max(0.0, x * x + y * y - 2 * together * x * y)) for x, y in (below, above)]
    return a - b, a - b - ends[0], a - b + ends[1]


def verdict(low: float, high: float) -> Verdict:
    """What the interval of a difference says."""
    return "better" if low > 0 else "worse" if high < 0 else "alike"


def known(value: float | None, low: float | None, high: float | None) -> Interval | None:
    """A number with its interval; None where either is missing."""
    return None if value is None or low is None or high is None else (value, low, high)


def stored(found: Sequence[float] | None) -> dict[str, float] | None:
    """A number with its interval as it is stored."""
    return None if found is None else dict(zip(("value", "low", "high"), map(float, found), strict=True))
