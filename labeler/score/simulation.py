"""The headline score: how predicted activations correlate with the true ones over the whole corpus."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.bootstrap import covariance, percentile_interval, replicate
from labeler.score.classes import resampling_classes
from labeler.score.estimate import Estimate, doubt, undefined, why_imprecise
from labeler.score.moments import YY, Floats, Lengths, Truth, Y, influence, pearson, unit_moments, why_undefined
from labeler.score.studentised import NEGLIGIBLE, studentised_interval
from labeler.score.unseen import one_alarm, one_stranger


def simulation(
    truth: Truth,
    prediction: Truth,
    lengths: Lengths,
    weight: Floats,
    stratum: NDArray[np.integer[Any]],
    *,
    drawn: bool = False,
    precision: float = 0.15,
    seed: int = 0,
) -> Estimate:
    """The Pearson correlation over all tokens of the corpus, from a sample of contexts with known weights.

    ``truth`` and ``prediction`` are [n, length], ``lengths`` [n] tokens, ``weight`` [n] how many contexts of the corpus
    each one stands for (population over sample in a full frame, that over the inclusion probability in a draw from
    one), ``stratum`` [n] 0 where silent, else the stratum of activation. Contexts may come in any order.

    The value is the ratio-type (Hájek 1971) estimate of the full-distribution correlation that Oikarinen et al.
    (arXiv 2506.05774) find fit to tell a label from its half. The 95 % interval is a studentised bootstrap over
    contexts, within strata or, where they were ``drawn`` with probabilities that leave their number in each stratum
    to chance, over all of them; widened by what contexts that were not drawn may hide (`one_alarm`, `one_stranger`). It
    is ``imprecise`` where half its width exceeds ``precision`` or too few contexts fire to believe it (`doubt`), and from
    -1 to 1 where fewer than two do.
    Raises ValueError where shapes disagree, a number is not finite or a weight is not positive.
    """
    found = unit_moments(truth, prediction, lengths)
    weight, stratum = np.asarray(weight, np.float64), np.asarray(stratum)
    if weight.shape != found.shape[:1] or stratum.shape != weight.shape:
        raise ValueError(f"weight {weight.shape} and stratum {stratum.shape} must be [{len(found)}] each")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("every context needs a positive, finite weight")
    n = len(found)
    if reason := why_undefined(weight @ found):
        return undefined(reason, int((stratum > 0).sum()), n)
    # One order for every caller: the same contexts give the same interval.
    order = np.lexsort((*found.T, weight, stratum))
    found, weight, stratum = found[order], weight[order], stratum[order]
    weighted = found * weight[:, None]
    totals = weighted.sum(0)
    value = float(pearson(totals))
    if (firing := int((stratum > 0).sum())) < 2:
        reason = doubt(firing, n - firing)
        return Estimate(value=value, low=-1.0, high=1.0, n_contexts=n, state="imprecise", reason=reason)

    classes = np.zeros(n, dtype=np.int64) if drawn else resampling_classes(stratum)
    replicates = replicate(weighted, classes, seed=seed)
    low, high = studentised_interval(totals, covariance(weighted, classes), replicates)
    low, high = min(low, value), max(high, value)
    reached = _with_an_alarm(found, weight, stratum == 0, value, replicates[0], seed)
    hidden = ": a false alarm may hide in the silent contexts that were not drawn" if not low <= reached <= high else ""
    # Alarms that were missed draw the correlation towards 0, from either side.
    low, high = min(low, reached), max(high, reached)
    sign = -1.0 if high < 0 else 1.0
    for added in one_stranger(found, weight, stratum > 0, sign=sign, replicates=len(replicates[0]), seed=seed):
        ends = percentile_interval(np.nan_to_num(pearson(replicates[0] + added)))
        low, high = min(low, ends[0]), max(high, ends[1])
    error = float(np.nan_to_num(pearson(replicates[0])).std())
    one = weight.sum() * (found @ influence(totals))
    doubted = doubt(firing, n - firing, drawn)
    reason = why_imprecise((high - low) / 2, precision, doubted, hidden)
    return Estimate(
        value=value,
        low=low,
        high=high,
        standard_error=error,
        n_contexts=n,
        uniform_equivalent_n=float(np.average(one * one, weights=weight)) / error**2 if error > NEGLIGIBLE else None,
        state="imprecise" if reason else "ok",
        reason=reason,
    )


def _with_an_alarm(
    found: Floats, weight: Floats, silent: NDArray[np.bool_], value: float, totals: Floats, seed: int
) -> float:
    """Where the interval ends on the side of 0 if one false alarm was missed; the value itself where none can hide."""
    added = one_alarm(found, weight, silent, ~silent & (found[:, Y] > 0), replicates=len(totals), seed=seed)
    if added is None:
        return value
    alarmed = totals.copy()
    alarmed[:, [Y, YY]] += added[:, [Y, YY]]
    low, high = percentile_interval(np.nan_to_num(pearson(alarmed)))
    return low if value > 0 else high
