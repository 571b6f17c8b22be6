"""Which features are active in which contexts, and how strongly on which tokens."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import strata
from labeler.features import IntArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Features and contexts that they are active in, ordered by feature, then context.

    A pair's activations stand together, by position; those of all pairs one after the other in the order of the pairs.
    """

    feature: NDArray[np.int32]
    """[n]"""
    ordinal: IntArray
    """[n] the context's place in the corpus."""
    count: NDArray[np.uint8]
    """[n] active tokens; 0 where the context was looked up and found silent."""
    position: NDArray[np.uint8]
    """[n_active] the token in its context."""
    value: NDArray[np.float16]
    """[n_active] positive and finite."""

    def __len__(self) -> int:
        return len(self.feature)

    @classmethod
    def of_active(
        cls,
        feature: NDArray[np.integer[Any]],
        ordinal: NDArray[np.integer[Any]],
        position: NDArray[np.integer[Any]],
        value: NDArray[np.float16],
    ) -> Pairs:
        """From single activations in any order: [n_active] each."""
        first = int(ordinal.min(initial=0))
        # One key of 64 bits sorts faster than three columns do: 31 bits of feature, 25 of context, 8 of position.
        key = (feature.astype(np.int64) << 33) | ((ordinal.astype(np.int64) - first) << 8) | position
        order = np.argsort(key)
        key = key[order] >> 8
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        return cls(
            feature=(key[starts] >> 25).astype(np.int32),
            ordinal=(key[starts] & ((1 << 25) - 1)) + first,
            count=np.diff(starts, append=len(key)).astype(np.uint8),
            position=position[order].astype(np.uint8),
            value=value[order],
        )

    @functools.cached_property
    def start(self) -> IntArray:
        """[n + 1] where each pair's activations begin."""
        return np.concatenate([[0], np.cumsum(self.count, dtype=np.int64)])

    @functools.cached_property
    def maximum(self) -> NDArray[np.float32]:
        """[n] the strongest activation of each pair."""
        found = np.zeros(len(self), dtype=np.float32)
        firing = self.count > 0
        if firing.any():
            found[firing] = np.maximum.reduceat(self.value, self.start[:-1][firing])
        return found

    @functools.cached_property
    def stratum(self) -> IntArray:
        """[n] the stratum of each pair's strongest activation."""
        return strata(self.maximum)

    def take(self, rows: IntArray) -> Pairs:
        """Some of them; rows in the order that is wanted."""
        counts = self.count[rows].astype(np.int64)
        ends = np.cumsum(counts)
        source = np.repeat(self.start[:-1][rows] - (ends - counts), counts) + np.arange(counts.sum())
        return Pairs(
            feature=self.feature[rows],
            ordinal=self.ordinal[rows],
            count=self.count[rows],
            position=self.position[source],
            value=self.value[source],
        )

    def between(self, low: int, high: int) -> Pairs:
        """Those of the features low … high - 1, without a copy."""
        a, b = np.searchsorted(self.feature, np.array([low, high], dtype=np.int32)).tolist()
        begin = int(self.count[:a].sum(dtype=np.int64))
        end = begin + int(self.count[a:b].sum(dtype=np.int64))
        return Pairs(
            feature=self.feature[a:b],
            ordinal=self.ordinal[a:b],
            count=self.count[a:b],
            position=self.position[begin:end],
            value=self.value[begin:end],
        )

    @staticmethod
    def merge(parts: Sequence[Pairs]) -> Pairs:
        """Several, each ordered, as one; no two have a pair in common."""
        together = Pairs(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS})
        if len(parts) == 1:
            return together
        return together.take(np.lexsort((together.ordinal, together.feature)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Pairs:
        """Out of a file's arrays."""
        return cls(**{name: arrays[name] for name in _COLUMNS})


_COLUMNS = ("feature", "ordinal", "count", "position", "value")
