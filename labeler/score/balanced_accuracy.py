"""How well yes and no were told apart, whatever the share of either among the questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.estimate import Estimate, mean_interval, measured
from labeler.score.share import Z, wilson

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
