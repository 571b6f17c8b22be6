"""The headline score: how predicted activations correlate with the true ones over the whole corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.bootstrap import covariance, replicate
from labeler.score.classes import resampling_classes
from labeler.score.estimate import Estimate
from labeler.score.moments import TOKENS, Floats, Lengths, Truth, centred, check, influence, mask, moments, pearson
from labeler.score.studentised import NEGLIGIBLE, studentised_interval
from labeler.score.unseen import bound_of_three


def simulation(
    truth: Truth,
    prediction: Truth,
    lengths: Lengths,
    weight: Floats,
    stratum: NDArray[np.integer[Any]],
    *,
    precision: float = 0.15,
    seed: int = 0,
) -> Estimate:
    """The Pearson correlation over all tokens of the corpus, from a sample of contexts with known weights.

    ``truth`` and ``prediction`` are [n, length], ``lengths`` [n] tokens, ``weight`` [n] how many contexts of the corpus
    each one stands for (population over sample in a full frame, that over the inclusion probability in a draw from
    one), ``stratum`` [n] 0 where silent, else the stratum of activation. Contexts may come in any order.

    The value is the ratio-type (Hájek 1971) estimate of the full-distribution correlation that Oikarinen et al.
    (arXiv 2506.05774) find fit to tell a label from its half. The 95 % interval is a studentised bootstrap over
    contexts within strata, widened by what silent contexts that were not drawn may hide (`bound_of_three`). It is
    ``imprecise`` where half its width exceeds ``precision``, and from -1 to 1 where fewer than two contexts fire.
    Raises ValueError where shapes disagree, a number is not finite or a weight is not positive.
    """
    found = _unit_moments(truth, prediction, lengths)
    weight, stratum = np.asarray(weight, np.float64), np.asarray(stratum)
    if weight.shape != found.shape[:1] or stratum.shape != weight.shape:
        raise ValueError(f"weight {weight.shape} and stratum {stratum.shape} must be [{len(found)}] each")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("every context needs a positive, finite weight")
    n = len(found)
    if reason := _undefined(weight @ found):
        return Estimate(n_contexts=n, state="undefined", reason=reason)
    # One order for every caller: the same contexts give the same interval.
    order = np.lexsort((*found.T, weight, stratum))
    found, weight, stratum = found[order], weight[order], stratum[order]
    weighted = found * weight[:, None]
    totals = weighted.sum(0)
    value = float(pearson(totals))
    if (firing := int((stratum > 0).sum())) < 2:
        reason = f"only {firing} of {n} contexts fire: too few for an interval"
        return Estimate(value=value, low=-1.0, high=1.0, n_contexts=n, state="imprecise", reason=reason)

    classes = resampling_classes(stratum)
    replicates = replicate(weighted, classes, seed=seed)
    low, high = studentised_interval(totals, covariance(weighted, classes), replicates)
    bound = bound_of_three(found, weight, stratum == 0)
    seen = (low, high)
    low, high = min(low, value), max(high, value)
    if bound:
        # Alarms that were missed draw the correlation towards 0, from either side.
        low, high = min(low, bound[0]), max(high, bound[0])
    error = float(np.nan_to_num(pearson(replicates[0])).std())
    one = weight.sum() * (found @ influence(totals))
    wide = (high - low) / 2 > precision
    reason = f"half of the interval's width, {(high - low) / 2:.2f}, exceeds {precision:g}" if wide else None
    if reason and bound and (seen[1] - seen[0]) / 2 <= precision:
        reason += f": none of {bound[1]} silent contexts shows a false alarm, and rarer ones may hide"
    return Estimate(
        value=value,
        low=low,
        high=high,
        standard_error=error,
        n_contexts=n,
        uniform_equivalent_n=float(np.average(one * one, weights=weight)) / error**2 if error > NEGLIGIBLE else None,
        state="imprecise" if wide else "ok",
        reason=reason,
    )


def simulation_top_and_random(
    truth: Truth, prediction: Truth, lengths: Lengths, rows: Sequence[int] | NDArray[np.integer[Any]]
) -> Estimate:
    """The unweighted correlation over the tokens of chosen rows, for comparison with the literature only.

    Takes what `simulation` takes, and the rows of the top and random contexts. Such rows are no probability sample:
    the value is too high by .15 and more, and an interval for the corpus does not exist.
    """
    at = np.asarray(rows, dtype=np.int64)
    truth, prediction, lengths = np.asarray(truth)[at], np.asarray(prediction)[at], np.asarray(lengths)[at]
    totals = _unit_moments(truth, prediction, lengths).sum(0)
    if reason := _undefined(totals):
        return Estimate(n_contexts=len(at), state="undefined", reason=reason)
    return Estimate(value=float(pearson(totals)), n_contexts=len(at), state="ok")


def _unit_moments(truth: Truth, prediction: Truth, lengths: Lengths) -> Floats:
    """[n, 6] moments with the prediction brought to 0 … 1: where a sparse one is silent it is exactly 0."""
    check(truth, prediction, lengths)
    on_tokens = mask(prediction.shape[1], lengths)
    unit = prediction.astype(np.float64)
    if on_tokens.any():
        unit -= unit[on_tokens].min()
        # Squares of the tiny numbers that likelihoods can be would vanish.
        unit /= unit[on_tokens].max() or 1.0
    return moments(truth, unit, lengths)


def _undefined(totals: Floats) -> str | None:
    """Why there is no correlation, or None where there is one."""
    if not totals[TOKENS]:
        return "there are no tokens"
    xx, yy, _ = centred(totals)
    if not xx:
        return "the true activation is the same on every token"
    return None if yy else "the predicted activation is the same on every token"
