"""What the silent contexts that were not drawn may hide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.score.moments import TOKENS, YY, Floats, Y, pearson

LOUD = 0.25
"""A prediction is a false alarm where it strays from the mean by this share of what it does where it is right."""


def bound_of_three(found: Floats, weight: Floats, silent: NDArray[np.bool_]) -> tuple[float, int] | None:
    """The correlation if false alarms had just been missed, and the silent contexts drawn; None where some were seen.

    ``found`` [n, 6] are the contexts' moments, the prediction measured from its smallest value; ``weight`` [n] the
    contexts that each stands for; ``silent`` [n] those without activation. The rule of three (Hanley & Lippman-Hand
    1983): where none of m contexts has an alarm, with 95 % confidence no more than 3 / m of the population have one.
    That share of the silent population is given the prediction of a typical hit: the mean moments of the firing
    contexts whose prediction leaves its smallest value. The silent draws are taken to be blind to the prediction; of
    draws guided towards likely alarms the bound is wider than it need be.

    A false alarm is a silent context whose Σ(y−ȳ)² is at least a quarter of a typical hit's: for a sparse prediction,
    which rests exactly on its smallest value, any context with a clear alarm. Dense ones (cosines, likelihoods) are
    never silent; they are held to the same measure, and move less the noisier they are.
    None, too, where the silent contexts stand only for themselves and nothing is unseen.
    """
    drawn = int(silent.sum())
    population = float(weight[silent].sum())
    hits = ~silent & (found[:, Y] > 0)
    if not drawn or not hits.any() or population <= drawn:
        return None
    totals = weight @ found
    mean = totals[Y] / totals[TOKENS]
    energy = found[:, YY] - 2 * mean * found[:, Y] + mean * mean * found[:, TOKENS]
    if (energy[silent] >= LOUD * np.average(energy[hits], weights=weight[hits])).any():
        return None
    share = min(1.0, 3 / drawn) * population
    hit, quiet = (np.average(found[rows], axis=0, weights=weight[rows]) for rows in (hits, silent))
    totals[[Y, YY]] += share * (hit - quiet)[[Y, YY]]
    return float(pearson(totals)), drawn
