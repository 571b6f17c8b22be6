"""The mean score of a catalogue with its interval, and what a label has to beat: the scores of other features' labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeler.metrics.bootstrap import percentile_interval, replicate
from labeler.metrics.moments import Floats


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


MANY = 5000
"""Features above which the mean's interval is the normal one; the bootstrap's agrees with it there to three digits."""

LEAST = 4
"""Features below which a mean has no interval: the bootstrap's of two or three hardly ever holds what it should."""


@dataclass(frozen=True, kw_only=True)
class Average:
    """A mean over features with its 95 % interval."""

    mean: float | None
    """None where there are no features."""
    low: float | None
    """None where there are fewer than ``LEAST`` features."""
    high: float | None
    n: int
    """Features, or pairs."""
    n_undefined: int
    """How many of them are undefined and counted as 0."""

    def __str__(self) -> str:
        if self.mean is None:
            return "unknown"
        interval = "" if self.low is None else f" [{self.low:.2f} {self.high:.2f}]"
        return f"{self.mean:.2f}{interval} of {self.n:,}"


def average(values: Sequence[float | None], seed: int = 0) -> Average:
    """The mean score over features, with a bootstrap interval over features; undefined scores (None) count as 0."""
    return _average(numbers(values), sum(value is None for value in values), seed)


def paired_difference(a: Sequence[float | None], b: Sequence[float | None], seed: int = 0) -> Average:
    """The mean of a − b over the same features in the same order; an undefined score (None) counts as 0.

    A pair is among the undefined where either side is. Raises ValueError where the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"pairs need as many scores on one side as on the other, not {len(a)} and {len(b)}")
    undefined = sum(x is None or y is None for x, y in zip(a, b, strict=True))
    return _average(numbers(a) - numbers(b), undefined, seed)


def _average(values: Floats, n_undefined: int, seed: int) -> Average:
    n = len(values)
    mean = float(values.mean()) if n else None
    if mean is None or n < LEAST:
        return Average(mean=mean, low=None, high=None, n=n, n_undefined=n_undefined)
    if n > MANY:
        half = 1.96 * float(values.std(ddof=1)) / n**0.5
        low, high = mean - half, mean + half
    else:
        totals, _ = replicate(values[:, None], np.zeros(n, dtype=np.int64), seed=seed)
        low, high = percentile_interval(totals[:, 0] / n)
    return Average(mean=mean, low=low, high=high, n=n, n_undefined=n_undefined)
