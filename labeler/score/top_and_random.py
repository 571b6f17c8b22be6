"""The correlation on top and random contexts, as the literature reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.estimate import Estimate
from labeler.score.moments import Lengths, Truth, pearson, unit_moments, why_undefined


def simulation_top_and_random(
    truth: Truth, prediction: Truth, lengths: Lengths, rows: Sequence[int] | NDArray[np.integer[Any]]
) -> Estimate:
    """The unweighted correlation over the tokens of chosen rows, for comparison with the literature only.

    Takes what `simulation` takes, and the rows of the top and random contexts. Such rows are no probability sample:
    the value is too high by .15 and more, and an interval for the corpus does not exist.
    """
    at = np.asarray(rows, dtype=np.int64)
    truth, prediction, lengths = np.asarray(truth)[at], np.asarray(prediction)[at], np.asarray(lengths)[at]
    totals = unit_moments(truth, prediction, lengths).sum(0)
    if reason := why_undefined(totals):
        return Estimate(n_contexts=len(at), state="undefined", reason=reason)
    return Estimate(value=float(pearson(totals)), n_contexts=len(at), state="ok")
