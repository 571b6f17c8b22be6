"""The correlation on top and random contexts, as the literature reports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.score.estimate import Estimate, few_first
from labeler.score.moments import Lengths, Truth, pearson, unit_moments, why_undefined

NO_INTERVAL = "the strongest contexts and random ones are no sample of the corpus: nobody knows an interval"
"""Why the number is never ``ok``."""


def simulation_top_and_random(
    truth: Truth, prediction: Truth, lengths: Lengths, rows: Sequence[int] | NDArray[np.integer[Any]]
) -> Estimate:
    """The unweighted correlation over the tokens of chosen rows, for comparison with the literature only.

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
