"""What the contexts that were not drawn may hide: alarms among the silent ones, misses and hits among the firing ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.score.moments import TOKENS, XX, XY, YY, Floats, X, Y


def one_alarm(
    found: Floats, weight: Floats, silent: NDArray[np.bool_], hits: NDArray[np.bool_], *, replicates: int, seed: int
) -> Floats | None:
    """[replicates, k] what one more false alarm than was drawn would add to totals of ``found`` [n, k]; None where none can hide.

    A silent context with the prediction of a typical hit is added to every replicate of a bootstrap, with a weight from
    the exponential distribution around that of a silent context: the Bayesian bootstrap (Rubin 1981) with one alarm seen
    beforehand. Where none of m silent contexts shows one, 5 % of the replicates then take at least 3 / m of the silent
    population for alarms, as the rule of three does (Hanley & Lippman-Hand 1983); where some were seen, one more. The
    silent contexts are taken to be drawn blindly: of draws guided towards likely alarms the bound is wider than need be.

    ``weight`` [n] are the contexts that each one stands for, ``silent`` [n] those without activation, ``hits`` [n] the
    firing ones that are predicted. Nothing hides where the silent contexts stand only for themselves.
    """
    drawn = int(silent.sum())
    if not drawn or not hits.any() or weight[silent].sum() <= drawn:
        return None
    hit, quiet = (np.average(found[rows], axis=0, weights=weight[rows]) for rows in (hits, silent))
    share = np.random.default_rng(seed).exponential(weight[silent].mean(), replicates)
    return np.asarray(share[:, None] * (hit - quiet))


def one_stranger(
    found: Floats, weight: Floats, firing: NDArray[np.bool_], *, sign: float, replicates: int, seed: int
) -> tuple[Floats, Floats]:
    """What one more firing context, unlike those that were drawn, would add: all missed, and a hit; [replicates, 6] each.

    A handful of firing contexts that are all hit, or all missed, look certain to a bootstrap, which can only draw what it
    has. So one more is added, a typical one on which the prediction stays as it is in silence, and one on which it
    follows the truth (or, ``sign`` -1, goes against it) as loud as it ever is, with weights as in `one_alarm`: where m
    contexts were drawn, up to about 3 / m of the firing population. Among many firing contexts it weighs nothing.
    ``found`` [n, 6] as in `moments`, ``firing`` at least one.
    """
    typical = np.average(found[firing], axis=0, weights=weight[firing])
    quiet = found[~firing] if not firing.all() else found
    level = float(quiet[:, Y].sum() / quiet[:, TOKENS].sum())
    above = found[:, YY] - 2 * level * found[:, Y] + level**2 * found[:, TOKENS]
    loud = above[above > above.max() * 1e-9]
    slope = sign * float(np.sqrt(loud.mean() / typical[XX])) if len(loud) and typical[XX] > 0 else 0.0
    missed, hit = (_following(typical, level, by) for by in (0.0, slope))
    share = np.random.default_rng(seed).exponential(weight[firing].mean(), (replicates, 1))
    return share * missed, share * hit


def _following(typical: Floats, level: float, slope: float) -> Floats:
    """The moments of a context on which the prediction is ``level + slope * truth``."""
    tokens, x, xx = typical[TOKENS], typical[X], typical[XX]
    made = typical.copy()
    made[Y] = level * tokens + slope * x
    made[YY] = level**2 * tokens + 2 * level * slope * x + slope**2 * xx
    made[XY] = level * x + slope * xx
    return made
