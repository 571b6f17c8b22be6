"""Strata, splits, and which contexts of a corpus are kept.

Every context of a corpus has one permanent random number (Ohlsson 1995). The pool is the contexts with the smallest
numbers; a feature's reservoir in a stratum is the firing contexts with the smallest numbers there. Either is a uniform
sample, both are nested, and they can be built in one pass, in any order, in pieces, and merged.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from labeler.features import IntArray

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
