"""How well yes and no were told apart, whatever the share of either among the questions."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.estimate import Estimate, measured
from labeler.score.share import Z, wilson

Answered = Sequence[bool] | Sequence[int] | NDArray[np.bool_] | NDArray[np.integer[Any]]


def balanced_accuracy(truth: Answered, said: Answered, *, precision: float = 0.15) -> Estimate:
    """The mean of the shares of yes and of no that were answered right: [n] truths and [n] answers, yes is true.

    Always yes, always no and guessing score .5 whatever the questions, which plain accuracy does not. Questions without
    an answer have to be left out by the caller, on both sides: they are neither right nor wrong.

    The two classes are drawn apart, so that each share has an interval of its own (`wilson`); the interval of their mean
    follows from these by the square-and-add rule (Newcombe 1998; MOVER, Zou & Donner 2008). Unlike a bootstrap's it has
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
    (hit, hit_low, hit_high), (rejected, rejected_low, rejected_high) = sides
    value = (hit + rejected) / 2
    low = value - hypot(hit - hit_low, rejected - rejected_low) / 2
    high = value + hypot(hit_high - hit, rejected_high - rejected) / 2
    return measured(value, low, high, (high - low) / (2 * Z), n, precision)
