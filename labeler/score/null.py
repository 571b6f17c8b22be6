"""What a label has to beat: the scores of other features' labels on this feature's contexts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeler.score.moments import Floats


def null_percentile(value: float | None, foreign_values: Sequence[float | None]) -> float | None:
    """How many of the foreign labels, in per cent, the value beats; half of those that it equals.

    A foreign score that is undefined (None: a constant prediction) counts as 0, as it does in averages. None where the
    value itself is undefined or there is nothing to compare it with.
    """
    if value is None or not len(foreign_values):
        return None
    foreign = numbers(foreign_values)
    return float(100 * ((foreign < value).mean() + (foreign == value).mean() / 2))


def null_mean(foreign_values: Sequence[float | None]) -> float | None:
    """The mean score of the foreign labels, undefined ones counted as 0; None where there are none."""
    return float(numbers(foreign_values).mean()) if len(foreign_values) else None


def numbers(values: Sequence[float | None]) -> Floats:
    """[n] the values, with 0 for those that are undefined; raises ValueError where one is NaN or infinite."""
    found = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("a score is a finite number, or None where it is undefined")
    return found
