"""What the silent contexts that were not drawn may hide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labeler.score.moments import Floats


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
