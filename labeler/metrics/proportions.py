"""Shares of right answers, plain and balanced, with intervals that hold for few of them and at either end."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.estimate import Estimate, mean_interval, measured

Z = 1.959964
"""The normal deviate of a 95 % interval."""


def wilson(hits: float, n: float, z: float = Z) -> tuple[float, float]:
    """The 95 % interval of a share of ``hits`` in ``n`` > 0 independent draws (Wilson 1927); neither end is ever the share
    itself but at 0 and 1, so that one draw does not look certain."""
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def share(
    truth: Sequence[int] | NDArray[np.integer[Any]],
    said: Sequence[int] | NDArray[np.integer[Any]],
    *,
    precision: float = 0.15,
) -> Estimate:
    """The share of questions whose answer is the truth: [n] and [n] whole numbers, in the same order.

    ``imprecise`` where half of the Wilson interval exceeds ``precision``, ``undefined`` where nothing was asked. Raises
    ValueError where the lengths differ.
    """
    right = np.asarray(truth), np.asarray(said)
    if right[0].ndim != 1 or right[0].shape != right[1].shape:
        raise ValueError(f"truth {right[0].shape} and said {right[1].shape} must be [n] each")
    n = len(right[0])
    if not n:
        return Estimate(n_contexts=0, state="undefined", reason="nothing was asked")
    hits = int((right[0] == right[1]).sum())
    low, high = wilson(hits, n)
    return measured(hits / n, low, high, (high - low) / (2 * Z), n, precision)


def guessing_percentile(hits: int, n: int, chance: float) -> float:
    """How many of those who guess n times at this chance, in per cent, do worse; half of those that do the same."""
    mass = [comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(hits + 1)]
    return 100 * (sum(mass[:-1]) + mass[-1] / 2)


Answered = Sequence[bool] | Sequence[int] | NDArray[np.bool_] | NDArray[np.integer[Any]]


def balanced_accuracy(truth: Answered, said: Answered, *, precision: float = 0.15) -> Estimate:
    """The mean of the shares of yes and of no that were answered right: [n] truths and [n] answers, yes is true.

    Always yes, always no and guessing score .5 whatever the questions, which plain accuracy does not. Questions without
    an answer have to be left out by the caller, on both sides: they are neither right nor wrong.

    The two classes are drawn apart, so that each share has an interval of its own (`wilson`); the interval of their mean
    follows from these by the square-and-add rule (`mean_interval`). Unlike a bootstrap's it has
    a width where every answer was right, or a class has a single question. ``imprecise`` where half of it exceeds
    ``precision``, ``undefined`` where a class is missing. Raises ValueError where the lengths differ.
    """
    yes, answered = np.asarray(truth), np.asarray(said)
    if yes.ndim != 1 or yes.shape != answered.shape:
        raise ValueError(f"truth {yes.shape} and said {answered.shape} must be [n] each")
    yes, answered = yes.astype(bool), answered.astype(bool)
    n = len(yes)
    if not yes.any() or yes.all():
        missing = "nothing was asked" if not n else "no question's answer is " + ("no" if yes.any() else "yes")
        return Estimate(n_contexts=n, state="undefined", reason=missing)
    sides = []
    for members in (yes, ~yes):
        hits, size = int((answered == yes)[members].sum()), int(members.sum())
        sides.append((hits / size, *wilson(hits, size)))
    value, low, high = mean_interval(sides)
    return measured(value, low, high, (high - low) / (2 * Z), n, precision)
