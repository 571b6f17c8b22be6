"""Per-context moments of truth and prediction, and the correlation that follows from their totals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truth = NDArray[np.floating[Any]]
Lengths = NDArray[np.integer[Any]]

TOKENS, X, Y, XX, YY, XY = range(6)
"""Columns: tokens, Σx, Σy, Σx², Σy², Σxy; x is the truth, y the prediction."""

TOLERANCE = 1e-12
"""A variance below this share of the mean square is rounding, not variation."""


def mask(length: int, lengths: Lengths) -> NDArray[np.bool_]:
    """[n, length] True on tokens, False behind a context's end."""
    on_tokens: NDArray[np.bool_] = np.arange(length) < np.asarray(lengths)[:, None]
    return on_tokens


def check(truth: Truth, prediction: Truth, lengths: Lengths) -> None:
    """Raise ValueError unless truth and prediction are [n, length] and lengths [n] fit into them."""
    shape = np.shape(truth)
    if len(shape) != 2 or np.shape(prediction) != shape or np.shape(lengths) != shape[:1]:
        given = f"truth {shape}, prediction {np.shape(prediction)} and lengths {np.shape(lengths)}"
        raise ValueError(f"{given} must be [n, length], [n, length] and [n]")
    if shape[0] and (np.min(lengths) < 0 or np.max(lengths) > shape[1]):
        raise ValueError(f"lengths must lie between 0 and {shape[1]}")


def moments(truth: Truth, prediction: Truth, lengths: Lengths) -> Floats:
    """[n, 6] the moments of each context, over its own tokens.

    ``truth`` and ``prediction`` are [n, length], ``lengths`` [n]; what stands behind a context's end is never read.
    Raises ValueError where shapes disagree or a token has a NaN or infinite number.
    """
    check(truth, prediction, lengths)
    on_tokens = mask(truth.shape[1], lengths)
    x, y = (np.where(on_tokens, side, 0.0).astype(np.float64) for side in (truth, prediction))
    found = np.empty((len(x), 6))
    found[:, TOKENS] = lengths
    found[:, X], found[:, Y] = x.sum(1), y.sum(1)
    found[:, XX], found[:, YY], found[:, XY] = (np.einsum("nl,nl->n", *pair) for pair in ((x, x), (y, y), (x, y)))
    if not np.isfinite(found).all():
        raise ValueError("truth and prediction must be finite on every token, and so must their squares")
    return found


def unit_moments(truth: Truth, prediction: Truth, lengths: Lengths) -> Floats:
    """[n, 6] moments with the prediction brought to 0 … 1, which no correlation notices.

    Where a sparse prediction is silent it is exactly 0 then. Otherwise like `moments`.
    """
    check(truth, prediction, lengths)
    on_tokens = mask(prediction.shape[1], lengths)
    unit = prediction.astype(np.float64)
    if on_tokens.any():
        unit -= unit[on_tokens].min()
        # Squares of the tiny numbers that likelihoods can be would vanish.
        unit /= unit[on_tokens].max() or 1.0
    return moments(truth, unit, lengths)


def centred(totals: Floats) -> tuple[Floats, Floats, Floats]:
    """[...] each of Σ(x−x̄)², Σ(y−ȳ)² and Σ(x−x̄)(y−ȳ); a sum of squares that is only rounding comes back as 0."""
    tokens = np.where(totals[..., TOKENS] > 0, totals[..., TOKENS], 1.0)
    x, y = totals[..., X], totals[..., Y]
    xx, yy = totals[..., XX] - x * x / tokens, totals[..., YY] - y * y / tokens
    xx = np.where(xx > TOLERANCE * totals[..., XX], xx, 0.0)
    yy = np.where(yy > TOLERANCE * totals[..., YY], yy, 0.0)
    return xx, yy, totals[..., XY] - x * y / tokens


def pearson(totals: Floats) -> Floats:
    """[...] the correlation over all tokens from totals [..., 6]; NaN where one side is constant."""
    xx, yy, xy = centred(np.asarray(totals, np.float64))
    # Two roots: the product of two tiny or huge sums would leave the range of a float.
    scale = np.sqrt(xx) * np.sqrt(yy)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 0, np.clip(xy / scale, -1.0, 1.0), np.nan)


def why_undefined(totals: Floats) -> str | None:
    """Why there is no correlation, or None where there is one."""
    if not totals[TOKENS]:
        return "there are no tokens"
    xx, yy, _ = centred(totals)
    if not xx:
        return "the true activation is the same on every token"
    return None if yy else "the predicted activation is the same on every token"


def influence(totals: Floats) -> Floats:
    """[..., 6] what each unit of each moment adds to the correlation, to first order; NaN where that is undefined.

    The influence of a context of weight w is ``w * moments @ influence(totals)``, and sums to zero over the contexts
    that make up the totals.
    """
    totals = np.asarray(totals, np.float64)
    xx, yy, _ = centred(totals)
    r = pearson(totals)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = totals[..., X] / totals[..., TOKENS], totals[..., Y] / totals[..., TOKENS]
        scale = np.where(np.isnan(r), np.nan, np.sqrt(xx) * np.sqrt(yy))
        on_tokens = x * y / scale - r / 2 * (x * x / xx + y * y / yy)
        on_squares = (-r / 2 / xx, -r / 2 / yy)
        return np.stack([on_tokens, r * x / xx - y / scale, r * y / yy - x / scale, *on_squares, 1 / scale], axis=-1)
