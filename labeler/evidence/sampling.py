"""Probability samples of contexts: permanent random numbers and strata, designs and the order in which they are drawn.

Every context of a corpus has one permanent random number (Ohlsson 1995). The pool is the contexts with the smallest
numbers; a feature's reservoir in a stratum is the firing contexts with the smallest numbers there. Either is a uniform
sample, both are nested, and they can be built in one pass, in any order, in pieces, and merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.features import FloatArray, Frame, IntArray

N_STRATA = 24
"""Stratum 0 is silent; stratum h holds maxima in [2**(h-9), 2**(h-8)), the first and the last all beyond."""

POOL = 20_000
"""Contexts drawn uniformly from the corpus; all there are, where fewer."""

RESERVOIR = 32
"""Firing contexts kept for each feature, split and stratum."""

TOP = 24
"""Strongest contexts kept for each feature and split; for the explainer and for show, never for an estimate."""


def strata(maximum: NDArray[np.floating]) -> IntArray:
    """The log2 stratum of each strongest activation: [n] -> [n]; 0 where it is 0."""
    safe = np.where(maximum > 0, maximum, 1.0)
    found = np.clip(np.floor(np.log2(safe)).astype(np.int64) + 9, 1, N_STRATA - 1)
    return np.where(maximum > 0, found, 0)


def stratum_bounds(stratum: int) -> tuple[float, float]:
    """The maxima that a firing stratum holds: from the first on, below the second."""
    return 0.0 if stratum == 1 else 2.0 ** (stratum - 9), np.inf if stratum == N_STRATA - 1 else 2.0 ** (stratum - 8)


def split_of(document: str) -> int:
    """The split that a document belongs to, as a position in ``SPLITS``: 40 % explain, 20 % select, 40 % score."""
    draw = number_of(document)
    return 0 if draw < 0.4 else 1 if draw < 0.6 else 2


def number_of(document: str) -> float:
    """The random number in [0, 1) of a document: a hash of its name."""
    return int.from_bytes(hashlib.sha256(document.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64


def permanent_number(ordinal: IntArray) -> NDArray[np.float64]:
    """The random number in [0, 1) of each context, by its ordinal in the corpus: [n] -> [n] (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = (np.asarray(ordinal).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def pool_limit(n_contexts: int) -> float:
    """A context of a corpus of so many belongs to its pool if its permanent number is at most this."""
    smallest = np.zeros(0)
    for first in range(0, n_contexts, 1 << 20):
        numbers = permanent_number(np.arange(first, min(first + (1 << 20), n_contexts)))
        smallest = np.concatenate([smallest, numbers])
        if len(smallest) > POOL:
            smallest = np.partition(smallest, POOL - 1)[:POOL]
    return 1.0 if n_contexts <= POOL else float(smallest.max())


def place_in_group(group: IntArray) -> IntArray:
    """The place of each element among those of its group, which stand together: [n] -> [n], from 0."""
    starts = np.flatnonzero(np.r_[True, np.diff(group) != 0][: len(group)])
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))


def first_of_group(group: IntArray, key: NDArray[np.uint64], n: int) -> NDArray[np.bool_]:
    """Which elements are among the n of their group with the smallest keys: [m], [m] -> [m].

    Groups below 2**31, keys below 2**33: together they are one number, which sorts faster than two columns.
    """
    order = np.argsort((group.astype(np.uint64) << np.uint64(33)) | key)
    place = place_in_group(group[order])
    chosen = np.zeros(len(group), dtype=bool)
    chosen[order[place < n]] = True
    return chosen


Floats = NDArray[np.float64]

SHARE = (0.45, 0.35, 0.20)
"""How a draw is divided between where the feature fires, where the label is expected to say so, and anywhere."""

POWER = 1.5
"""Of the root of a context's sum of squares, as its size: between 1 (robust) and 2 (its part in a correlation)."""


def size(activation: FloatArray) -> Floats:
    """How much contexts matter for a correlation, by activations [n, length] that are true or guessed: [n]."""
    full = activation.astype(np.float64)
    return np.asarray(np.einsum("nt,nt->n", full, full) ** (POWER / 2))


def coarse(values: Floats, steps: int = 1) -> Floats:
    """Not negative numbers on a grid of powers of two, with so many ``steps`` from one to the next.

    Guides come of an encoder's states, whose last digits depend on the processor. On the grid they are the same to the
    last bit on all of them, unless a value happens to lie on the border of two steps; and so is whatever is drawn. No
    simple fraction and no power of one lies on a border.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp2(np.floor(np.log2(values) * steps + 0.3) / steps))


@dataclass(frozen=True, eq=False)
class Drawing:
    """The contexts of a frame in the order in which samples take them: the first n are the sample of n.

    Every context has a random number; those with the smallest quotient of number and size come first (sequential
    Poisson sampling, Ohlsson 1998). The samples of all sizes are nested, each with known inclusion probabilities
    proportional to size, so that a sample can be added to until it is large enough.
    """

    frame: Frame
    size: Floats
    """[N] the share of the draw that each context would have, were none certain."""
    order: IntArray
    """[N] rows of the frame."""

    def first(self, n: int) -> Frame:
        """The sample of n contexts in drawing order, each standing for its weight over its inclusion probability."""
        if n >= len(self.frame):
            return self.frame.take(self.order)
        rows = self.order[:n]
        probability = inclusion_probabilities(self.size, n)[rows]
        return self.frame.take(rows, self.frame.weight[rows] / probability)


def drawing(frame: Frame, guides: Sequence[Floats], seed: int | Sequence[int]) -> Drawing:
    """The order in which the contexts of a frame are drawn.

    The size of a context mixes the feature's own activation, the guides (each [N], not negative: where a label is
    expected to be taken for active; none leaves their share to the others) and a uniform part, so that misses, false
    alarms that can be foreseen and those that cannot are all found. Each counts by what the context stands for.
    """
    by_truth, by_guides, uniform = SHARE
    guided = [frame.weight * coarse(guide) for guide in guides]
    guided = [guide / float(coarse(guide.sum(), steps=8)) for guide in guided if guide.sum() > 0]
    parts = [(by_truth, frame.weight * size(frame.truth)), (uniform, frame.weight)]
    if guided:
        parts.append((by_guides, np.mean(guided, axis=0)))
    parts = [(share, part / part.sum()) for share, part in parts if part.sum() > 0]
    whole = sum(share for share, _ in parts)
    mixed = sum((share / whole * part for share, part in parts), start=np.zeros(len(frame)))
    number = np.random.default_rng(seed).random(len(frame))
    with np.errstate(divide="ignore"):
        return Drawing(frame, mixed, np.argsort(number / mixed, kind="stable"))


def draw(frame: Frame, n: int, guides: Sequence[Floats], seed: int | Sequence[int]) -> Frame:
    """One sample of n contexts; see ``drawing``."""
    return drawing(frame, guides, seed).first(n)


def inclusion_probabilities(size: Floats, n: int) -> Floats:
    """Probabilities proportional to size that add up to n, none above 1: [N] -> [N]."""
    if n >= len(size):
        return np.ones(len(size))
    probability = np.zeros(len(size))
    certain = np.zeros(len(size), dtype=bool)
    while True:
        rest = n - certain.sum()
        probability[~certain] = rest * size[~certain] / size[~certain].sum()
        probability[certain] = 1.0
        over = probability > 1.0
        if not over.any():
            return probability
        certain |= over


def looks(n: int) -> tuple[int, ...]:
    """The sizes at which a sample of at most n contexts is looked at: half, and all of it.

    Earlier looks stop at samples that look sure because they have missed what would unsettle them: coverage falls.
    """
    return tuple(sorted({max(2, n // 2), n}))
