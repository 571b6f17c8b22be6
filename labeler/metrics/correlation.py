"""The headline score: how predicted activations correlate with the true ones over the whole corpus.

With what the contexts that were not drawn may hide, and beside it the unweighted correlation on top and random contexts
that the literature reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import (
    NEGLIGIBLE,
    covariance,
    percentile_interval,
    replicate,
    resampling_classes,
    studentised_interval,
)
from labeler.metrics.estimate import Estimate, doubt, few_first, undefined, why_imprecise
from labeler.metrics.moments import (
    TOKENS,
    XX,
    XY,
    YY,
    Floats,
    Lengths,
    Truth,
    X,
    Y,
    influence,
    pearson,
    unit_moments,
    why_undefined,
)


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


NO_INTERVAL = "the strongest contexts and random ones are no sample of the corpus: nobody knows an interval"
"""Why the number is never ``ok``."""


def simulation_top_and_random(
    truth: Truth, prediction: Truth, lengths: Lengths, rows: Sequence[int] | NDArray[np.integer[Any]]
) -> Estimate:
    """The unweighted correlation over the tokens of chosen rows, beside one that speaks for a corpus, to compare with the
    literature only. (The headline of evidence that nobody counted, which has this name too, is `simulation` of all that is
    at hand, with an interval for more of its kind.)

    Takes what `simulation` takes, all that is at hand, and the rows of the top and random contexts. Such rows are no
    probability sample: the value is too high by .15 and more, and an interval for the corpus does not exist, so that it
    is ``imprecise`` however many there are. Where too few contexts are at hand for any interval, that comes first, as
    with the scores beside it.
    """
    at = np.asarray(rows, dtype=np.int64)
    fires = (np.asarray(truth) > 0).any(axis=1)
    firing, silent = int(fires.sum()), int((~fires).sum())
    truth, prediction, lengths = np.asarray(truth)[at], np.asarray(prediction)[at], np.asarray(lengths)[at]
    totals = unit_moments(truth, prediction, lengths).sum(0)
    if reason := why_undefined(totals):
        return Estimate(n_contexts=len(at), state="undefined", reason=few_first(reason, firing, silent))
    why = few_first(NO_INTERVAL, firing, silent)
    return Estimate(value=float(pearson(totals)), n_contexts=len(at), state="imprecise", reason=why)
