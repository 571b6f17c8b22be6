"""How well a prediction ranks the tokens on which a feature fires above those on which it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.bootstrap import percentile_interval, resample, resampling_classes
from labeler.metrics.correlation import one_alarm
from labeler.metrics.estimate import Estimate, doubt, measured, undefined
from labeler.metrics.moments import Floats, Lengths, Truth, check, mask

STEPS = 64
"""Thresholds at which a curve is drawn again for the interval; the value itself has them all."""

REPLICATES = 400


def auprc(
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
    """The area under the precision-recall curve over all tokens of the corpus, with its interval.

    Takes what `simulation` takes. A token is positive where its truth is above 0 and counts as often as its context
    stands for others. The area is a sum of steps (average precision): between points of the curve no straight line
    holds (Davis & Goadrich 2006). Tied predictions make one step, so that a constant prediction scores the share of
    positives. The 95 % interval is the bootstrap's over contexts, of the curve at STEPS thresholds, with one false alarm
    more than was seen: within strata for contexts that were sampled so, and over all of them where they were ``drawn``
    with probabilities that leave their number in each stratum to chance.
    Undefined where no token fires or all do. Raises ValueError where shapes disagree or a number is not finite.
    """
    check(truth, prediction, lengths)
    weight, stratum = np.asarray(weight, np.float64), np.asarray(stratum)
    if not np.shape(weight) == np.shape(stratum) == np.shape(lengths):
        raise ValueError(f"weight {weight.shape}, stratum {stratum.shape} and lengths {np.shape(lengths)} must be [n]")
    on_tokens = mask(truth.shape[1], lengths)
    activation, predicted = truth[on_tokens], prediction[on_tokens]
    if not (np.isfinite(activation).all() and np.isfinite(predicted).all()):
        raise ValueError("truth and prediction must be finite on every token")
    positive = activation > 0
    n = len(weight)
    firing = int((stratum > 0).sum())
    if not positive.any() or positive.all():
        return undefined("the feature is active on no token, or on all", firing, n)
    context = np.broadcast_to(np.arange(n)[:, None], truth.shape)[on_tokens]
    found, which = np.unique(-predicted, return_inverse=True)
    value = float(_area(*_steps(which, len(found), positive, weight[context])))

    doubted = doubt(firing, n - firing, drawn)
    if firing < 2:
        reason = doubt(firing, n - firing)
        return Estimate(value=value, low=0.0, high=1.0, n_contexts=n, state="imprecise", reason=reason)

    # Far fewer steps than tokens: at the quantiles of what the positives are predicted.
    edges = np.unique(np.quantile(-predicted[positive], np.linspace(0, 1, STEPS), method="lower"))
    coarse = np.searchsorted(edges, -predicted)
    k = len(edges) + 1
    hits, all_of = (np.bincount(context[on] * k + coarse[on], minlength=n * k).reshape(n, k) for on in (positive, ...))
    table = np.concatenate([hits, all_of], axis=1) * weight[:, None]
    classes = np.zeros(n, dtype=np.int64) if drawn else resampling_classes(stratum)
    totals = resample(table, classes, replicates=REPLICATES, seed=seed)
    silent, hits_at = stratum == 0, (stratum > 0) & (hits.sum(axis=1) > 0)
    added = one_alarm(hits.astype(float), weight, silent, hits_at, replicates=REPLICATES, seed=seed)
    if added is not None:
        totals[:, k:] += added
    areas = _area(totals[:, :k], totals[:, k:])
    # The coarse curve lies a little off the true one; its spread is what is wanted, on a scale without ends.
    low, high = percentile_interval(_logit(areas) + (_logit(value) - _logit(_area(*table.sum(0).reshape(2, k)))))
    return measured(value, _unlogit(low), _unlogit(high), float(areas.std()), n, precision, doubted)


def _logit(area: Floats | float) -> Floats:
    inside = np.clip(area, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _unlogit(found: float) -> float:
    return float(1 / (1 + np.exp(-found)))


def _steps(
    which: NDArray[np.integer[Any]], n: int, positive: NDArray[np.bool_], count: Floats
) -> tuple[Floats, Floats]:
    """[n] each: positives, and all tokens, of every step."""
    return np.bincount(which, count * positive, n).astype(float), np.bincount(which, count, n).astype(float)


def _area(hits: Floats, tokens: Floats) -> Floats:
    """[...] the area, from positives and all tokens of each step [..., steps], the strongest prediction first."""
    found, seen = np.cumsum(hits, axis=-1), np.cumsum(tokens, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: Floats = (hits * np.where(seen > 0, found / seen, 0.0)).sum(-1) / found[..., -1]
    return np.asarray(np.nan_to_num(area))
