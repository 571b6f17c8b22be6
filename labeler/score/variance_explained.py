"""How much of the true activation a prediction explains once it is brought to scale."""

from __future__ import annotations

from labeler.score.moments import TOKENS, Floats, X, Y, centred


def fit(totals: Floats) -> tuple[float, float] | None:
    """The slope and intercept of the least squares line from prediction to truth; None for a constant prediction.

    ``totals`` [6] are weighted moments, of the ``select`` split where the result is reported on ``score``.
    """
    _, yy, xy = centred(totals)
    if not yy:
        return None
    slope = float(xy / yy)
    return slope, float((totals[X] - slope * totals[Y]) / totals[TOKENS])


def explained(totals: Floats, slope: float, intercept: float) -> float | None:
    """One minus the squared error of the calibrated prediction over the variance of the truth; None for constant truth.

    ``totals`` [6] are weighted moments of other contexts than the line was fitted on. At most 1, and below 0 where the
    mean activation would have been the better guess.
    """
    xx, yy, xy = centred(totals)
    if not xx:
        return None
    # Around the means, where nothing large cancels: the spread of the residuals, and their mean.
    spread = xx - 2 * slope * xy + slope * slope * yy
    offset = (totals[X] - slope * totals[Y]) / totals[TOKENS] - intercept
    return float(1 - (spread + totals[TOKENS] * offset * offset) / xx)
