"""Exact counts over all that was seen, kept sparse: most features fire in few strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.pairs import Pairs
from labeler.evidence.sampling import N_STRATA, strata
from labeler.features import SPLITS, IntArray

_POPULATION = len(SPLITS) * N_STRATA
_WIDTH = _POPULATION + N_STRATA


@dataclass(frozen=True, eq=False, kw_only=True)
class Tally:
    """For every feature: its firing contexts by split and stratum, and its active tokens by stratum."""

    key: IntArray
    """[n] ascending: feature · _WIDTH + cell; the cells are [split, stratum] of contexts, then [stratum] of tokens."""
    count: IntArray
    """[n] above 0."""

    @classmethod
    def of(cls, pairs: Pairs, split: NDArray[np.integer[Any]]) -> Tally:
        """The counts of some pairs, ``split`` [n] the splits of their contexts."""
        feature = pairs.feature.astype(np.int64) * _WIDTH
        contexts = feature + split.astype(np.int64) * N_STRATA + pairs.stratum
        tokens = np.repeat(feature, pairs.count) + _POPULATION + strata(pairs.value.astype(np.float32))
        return cls._summed(np.concatenate([contexts[pairs.count > 0], tokens]))

    @classmethod
    def merge(cls, parts: Sequence[Tally]) -> Tally:
        """The sums of several."""
        return cls._summed(np.concatenate([p.key for p in parts]), np.concatenate([p.count for p in parts]))

    @classmethod
    def _summed(cls, key: IntArray, count: IntArray | None = None) -> Tally:
        order = np.argsort(key)
        key = key[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        if not len(starts):
            return cls(key=key, count=np.zeros(0, dtype=np.int64))
        sums = np.diff(starts, append=len(key)) if count is None else np.add.reduceat(count[order], starts)
        return cls(key=key[starts], count=sums.astype(np.int64))

    def between(self, low: int, high: int) -> Tally:
        """The counts of the features low … high - 1."""
        a, b = np.searchsorted(self.key, [low * _WIDTH, high * _WIDTH])
        return Tally(key=self.key[a:b], count=self.count[a:b])

    def dense(self, low: int, high: int) -> tuple[NDArray[np.uint32], IntArray]:
        """Of the features low … high - 1: contexts [n, n_splits, n_strata] and tokens [n, n_strata]."""
        here = self.between(low, high)
        cells = np.zeros((high - low) * _WIDTH, dtype=np.int64)
        cells[here.key - low * _WIDTH] = here.count
        table = cells.reshape(-1, _WIDTH)
        population = table[:, :_POPULATION].reshape(-1, len(SPLITS), N_STRATA)
        return population.astype(np.uint32), table[:, _POPULATION:].copy()

    @classmethod
    def of_dense(cls, low: int, population: NDArray[np.integer[Any]], tokens: IntArray) -> Tally:
        """What ``dense`` gave, taken back; stratum 0 of the population (silent contexts) is left out."""
        firing = population.astype(np.int64)
        firing[:, :, 0] = 0
        cells = np.concatenate([firing.reshape(len(firing), -1), tokens], axis=1).ravel()
        at = np.flatnonzero(cells)
        return cls(key=at + low * _WIDTH, count=cells[at])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        return {"tally.key": self.key, "tally.count": self.count}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Tally:
        """Out of a file's arrays."""
        return cls(key=arrays["tally.key"], count=arrays["tally.count"])
