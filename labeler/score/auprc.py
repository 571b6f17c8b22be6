"""How well a prediction ranks the tokens on which a feature fires above those on which it does not."""

from __future__ import annotations

import numpy as np

from labeler.score.moments import Floats, Lengths, Truth, check, mask


def auprc(truth: Truth, prediction: Truth, lengths: Lengths, weight: Floats) -> float | None:
    """The area under the precision-recall curve over all tokens of the corpus; None where no token fires or all do.

    ``truth`` and ``prediction`` are [n, length], ``lengths`` and ``weight`` [n]; a token is positive where its truth is
    above 0 and counts as often as its context stands for others. The area is a sum of steps (average precision):
    between points of the curve no straight line holds (Davis & Goadrich 2006). Tied predictions make one step, so
    that a constant prediction scores the share of positives. Raises ValueError where shapes disagree or a token's
    number is not finite.
    """
    check(truth, prediction, lengths)
    if np.shape(weight) != np.shape(lengths):
        raise ValueError(f"weight {np.shape(weight)} and lengths {np.shape(lengths)} must both be [n]")
    on_tokens = mask(truth.shape[1], lengths)
    activation, predicted = truth[on_tokens], prediction[on_tokens]
    if not (np.isfinite(activation).all() and np.isfinite(predicted).all()):
        raise ValueError("truth and prediction must be finite on every token")
    positive = activation > 0
    if not positive.any() or positive.all():
        return None
    order = np.argsort(-predicted, kind="stable")
    counts = np.broadcast_to(np.asarray(weight, np.float64)[:, None], truth.shape)[on_tokens][order]
    last = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)
    hits = np.cumsum(counts * positive[order])[last]
    precision = hits / np.cumsum(counts)[last]
    return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])
