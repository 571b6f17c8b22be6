"""The bootstrap over contexts: samples drawn again as the design drew them, and studentised intervals on Fisher's scale.

Contexts that may stand for one another are drawn for one another (resampling classes).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.metrics.moments import Floats, influence, pearson

SMALLEST = 5
"""Units below which a class is joined with its neighbour."""


def resampling_classes(stratum: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """[n] classes for the bootstrap from strata [n]: neighbouring strata joined until each has at least five units.

    A stratum of one unit would show no variance at all, so that rare, strong activations would look certain. Silent
    contexts (stratum 0) keep a class of their own, however few the firing ones are: joined, a replicate could be
    without a firing context, which the design never is. Only a single silent context goes with the firing ones.
    """
    strata, position, counts = np.unique(stratum, return_inverse=True, return_counts=True)
    label = np.zeros(len(strata), dtype=np.int64)
    first = int(len(strata) > 0 and strata[0] == 0 and counts[0] > 1)
    current, held = first, 0
    for i in range(first, len(strata)):
        label[i] = current
        held += int(counts[i])
        if held >= SMALLEST:
            current, held = current + 1, 0
    if held and current > first:
        # What is left over at the strong end joins the class before it.
        label[label == current] = current - 1
    classes: NDArray[np.int64] = label[position.reshape(-1)]
    return classes


REPLICATES = 1000
DRAWS = 2**15
"""Draws that are held at a time, roughly: the counts stay in the processor's cache."""
MANY = 512
"""Units of a class from which on those that are alike are drawn together."""
ALIKE = 1 / 8
"""Standard deviations that units which are drawn together may differ by."""
ONE_THREAD = 2**18
"""Multiplications up to which BLAS keeps a product of matrices on one thread.

Many small products beat few large ones wherever the other cores are busy with other features: threads that wait for
one another make a large product ten times slower.
"""


def replicate(
    values: Floats, classes: NDArray[np.integer[Any]], *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[Floats, Floats]:
    """Totals [replicates, k] of weighted values [n, k], and each replicate's covariance of them, packed.

    Within each class of m units, m − 1 are drawn with replacement and count m / (m − 1) times: the rescaling bootstrap
    of Rao & Wu (1988) and Rao, Wu & Yue (1992), whose variance is unbiased however small the class. Where the weights
    are equal within a class, its total weight is the same in every replicate. Units that the design took with
    certainty are drawn again like the others: the corpus is itself a sample of text.
    The covariance is that of `covariance`, with a replicate's counts; see `quadratic` for its packing.
    """
    k = values.shape[1]
    rows, columns = np.triu_indices(k)
    totals = np.zeros((replicates, k))
    packed = np.zeros((replicates, len(rows)))
    table = np.concatenate([values, values[:, rows] * values[:, columns]], axis=1)
    for here, size, sums in _drawn(table, k, classes, replicates, seed):
        totals[here] += sums[:, :k]
        if size > 1:
            spread = sums[:, k:] - sums[:, rows] * sums[:, columns] / size
            packed[here] += spread * (size / (size - 1))
    return totals, packed


def resample(
    values: Floats, classes: NDArray[np.integer[Any]], *, replicates: int = REPLICATES, seed: int = 0
) -> Floats:
    """The totals of `replicate` alone, without each replicate's covariance: cheap for many columns."""
    totals = np.zeros((replicates, values.shape[1]))
    for here, _, sums in _drawn(values, values.shape[1], classes, replicates, seed):
        totals[here] += sums
    return totals


def covariance(values: Floats, classes: NDArray[np.integer[Any]]) -> Floats:
    """The design's covariance, packed, of the total of weighted values [n, k] drawn independently within classes."""
    rows, columns = np.triu_indices(values.shape[1])
    packed = np.zeros(len(rows))
    for label in np.unique(classes):
        members = values[classes == label]
        if len(members) > 1:
            members = members - members.mean(0)
            packed += (members[:, rows] * members[:, columns]).sum(0) * len(members) / (len(members) - 1)
    return packed


def quadratic(coefficients: Floats, packed: Floats) -> Floats:
    """[...] the variance of ``coefficients @ total``, [..., k], from a covariance packed as its upper triangle."""
    rows, columns = np.triu_indices(coefficients.shape[-1])
    twice = np.where(rows == columns, 1.0, 2.0)
    found: Floats = (coefficients[..., rows] * coefficients[..., columns] * twice * packed).sum(-1)
    return np.maximum(found, 0.0)


def percentile_interval(replicates: Floats) -> tuple[float, float]:
    """The 2.5th and 97.5th percentiles of finite replicates [n]."""
    low, high = np.quantile(replicates, [0.025, 0.975])
    return float(low), float(high)


def _drawn(
    table: Floats, k: int, classes: NDArray[np.integer[Any]], replicates: int, seed: int
) -> Iterator[tuple[slice, int, Floats]]:
    """Some replicates' sums over one class, rescaled, with the size of the class; all replicates of all classes.

    Units whose first ``k`` columns are alike are drawn together, where that makes a class much smaller.
    """
    rng = np.random.default_rng(seed)
    for label in np.unique(classes):
        members = table[classes == label]
        size = len(members)
        if size == 1:
            yield slice(None), 1, members
            continue
        kinds, share = _alike(members, k) if size >= MANY else (members, None)
        used = np.flatnonzero(kinds.any(axis=0))  # of silent contexts much is 0
        kinds = kinds[:, used]
        step = max(16, DRAWS // len(kinds))
        for start in range(0, replicates, step):
            here = slice(start, min(start + step, replicates))
            n = here.stop - start
            counts = _counts(rng, n, size) if share is None else rng.multinomial(size - 1, share, n).astype(np.float64)
            sums = np.zeros((n, table.shape[1]))
            sums[:, used] = _product(counts, kinds) * (size / (size - 1))
            yield here, size, sums


def _alike(members: Floats, k: int) -> tuple[Floats, Floats | None]:
    """The means of units that are alike, [kinds, columns], and their shares; the units themselves, where hardly any are.

    Alike is what lies in the same cell of a grid of ALIKE standard deviations in each of the first ``k`` columns. The
    means leave the class's totals as they are, and take off its variance at most a twelfth of the grid's squared.
    """
    spread = members[:, :k].std(axis=0)
    cells = np.floor(members[:, :k] / np.where(spread > 0, ALIKE * spread, np.inf)).astype(np.int64)
    # A number for each cell: of a sum of odd multiples that wraps around, two are hardly ever the same.
    odd = np.random.default_rng(0).integers(2**62, size=k) * 2 + 1
    _, which, counts = np.unique(cells @ odd, return_inverse=True, return_counts=True)
    if 3 * len(counts) > len(members):
        return members, None
    order = np.argsort(which, kind="stable")
    sums = np.add.reduceat(members[order], np.cumsum(counts) - counts, axis=0)
    return sums / counts[:, None], counts / len(members)


def _counts(rng: np.random.Generator, replicates: int, size: int) -> Floats:
    """[replicates, size] how often each unit is drawn in size − 1 draws."""
    draws = rng.integers(size, size=(replicates, size - 1), dtype=np.uint16 if size <= 2**16 else np.uint32)
    cells = draws + np.arange(replicates)[:, None] * size
    return np.bincount(cells.ravel(), minlength=replicates * size).reshape(replicates, size).astype(np.float64)


def _product(left: Floats, right: Floats) -> Floats:
    """``left @ right``, in pieces that stay on one thread."""
    step = max(1, ONE_THREAD // max(1, len(left) * right.shape[1]))
    pieces = (left[:, start : start + step] @ right[start : start + step] for start in range(0, len(right), step))
    return sum(pieces, np.zeros((len(left), right.shape[1])))


LIMIT = 1.0 - 1e-12
"""Correlations are held this side of 1, where Fisher's scale ends."""

FARTHEST = 8.0
"""Standard errors that a replicate may be off; some have hardly a spread of their own to measure it in."""

NEGLIGIBLE = 1e-9
"""A standard error below this is rounding: the prediction is perfect, or misses everything."""


def studentised_interval(totals: Floats, packed: Floats, replicates: tuple[Floats, Floats]) -> tuple[float, float]:
    """The 95 % interval of the correlation of ``totals`` [6] with packed covariance, given the bootstrap's replicates.

    Every replicate is measured in its own linearised standard error (percentile-t, Efron & Tibshirani 1993, ch. 12)
    after Fisher's transformation. A few contexts carry most of a sparse feature's sums of squares; where a replicate
    lacks them it is off the value and overconfident at once, which the studentised deviation shows and the plain
    percentile does not. A replicate without a correlation (a constant prediction) counts as the correlation 0, in the
    value's own standard error.
    """
    value, error = _fisher(totals, packed)
    if error < NEGLIGIBLE:
        return float(np.tanh(value)), float(np.tanh(value))
    deviates, errors = _fisher(*replicates)
    undefined = np.isnan(deviates)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(undefined, -value / error, (deviates - value) / errors)
    first, last = percentile_interval(np.clip(np.nan_to_num(t, nan=0.0), -FARTHEST, FARTHEST))
    return float(np.tanh(value - last * error)), float(np.tanh(value - first * error))


def _fisher(totals: Floats, packed: Floats) -> tuple[Floats, Floats]:
    """[...] the correlation on Fisher's scale, and its linearised standard error there."""
    r = np.clip(pearson(totals), -LIMIT, LIMIT)
    return np.arctanh(r), np.sqrt(quadratic(influence(totals), packed)) / (1 - r * r)
