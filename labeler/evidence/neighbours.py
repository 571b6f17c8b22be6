"""The nearest features of every feature, and groups of near-duplicates: by decoder directions, or by firing together."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.copies import connected
from labeler.evidence.sampling import place_in_group, strata
from labeler.evidence.store.contexts import Rows
from labeler.evidence.store.storage import Tensors
from labeler.features import IntArray
from labeler.progress import tell

if TYPE_CHECKING:
    from torch import Tensor


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


NEAR_SHARED = 0.5
"""Features that share at least this much of where they fire are near-duplicates."""

SKETCH = 64
"""Sightings by which a feature is known."""

GRAM = 6
"""A sighting is a token with those before it in its context, so many in all: mostly the same wherever a text was cut."""

CROWD = 256
"""Features that may meet at one sighting."""


def cofiring(shards: Iterable[Tensors], rows: Rows, n: int) -> Neighbours:
    """The neighbours of a store's features, in the order of its shards."""
    features, sightings, first = [], [], 0
    for shard in shards:
        feature, sighting = sketches(shard, rows)
        features.append(feature + first)
        sightings.append(sighting)
        first += len(shard["offsets"]) - 1
    return by_sightings(np.concatenate(features), np.concatenate(sightings), n)


def sketches(shard: Tensors, rows: Rows) -> tuple[IntArray, NDArray[np.uint64]]:
    """The sketch of every feature of a shard: [n_sightings] feature (place in the shard), sighting; each pair once."""
    count = shard["count"].astype(np.int64)
    of_pair = np.repeat(np.arange(len(count)), count)
    feature = np.repeat(np.arange(len(shard["offsets"]) - 1), np.diff(shard["offsets"]))[of_pair]
    context, position = shard["context"].astype(np.int64), shard["position"].astype(np.int64)
    distinct, where = np.unique(context, return_inverse=True)
    ids = rows.column("tokens", distinct)
    sighting = np.zeros(len(of_pair), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for back in range(GRAM):
            at = position - back
            token = np.where(at >= 0, ids[where[of_pair], np.maximum(at, 0)], -1)
            sighting = _mixed(sighting ^ (token.astype(np.int64) + 2).astype(np.uint64))
    return _smallest(feature, sighting)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _smallest(feature: IntArray, sighting: NDArray[np.uint64]) -> tuple[IntArray, NDArray[np.uint64]]:
    """The SKETCH smallest different sightings of every feature."""
    order = np.lexsort((sighting, feature))
    feature, sighting = feature[order], sighting[order]
    new = np.r_[True, (np.diff(feature) != 0) | (np.diff(sighting) != 0)][: len(feature)]
    feature, sighting = feature[new], sighting[new]
    kept = place_in_group(feature) < SKETCH
    return feature[kept], sighting[kept]


def by_sightings(feature: IntArray, sighting: NDArray[np.uint64], n: int) -> Neighbours:
    """From every feature's sketch: [n_sightings] each.

    Sightings are numbered at random, so that those of two features which fire together are the same ones (coordinated
    samples, Cohen and Kaplan 2007). The closeness of two is how many they share, over the geometric mean of how many
    each has.
    """
    size = np.bincount(feature, minlength=n)
    a, b = _meetings(feature, sighting)
    met, count = np.unique(a * n + b, return_counts=True)
    a, b = np.divmod(met, max(n, 1))
    share = count / np.sqrt(size[a] * size[b])
    # Each meeting counts for both.
    one, other, share = np.r_[a, b], np.r_[b, a], np.r_[share, share]
    order = np.lexsort((other, -share, one))
    one, other, share = one[order], other[order], share[order]
    place = place_in_group(one)
    kept = place < NEAREST
    nearest = np.full((n, NEAREST), -1, dtype=np.int32)
    closeness = np.zeros((n, NEAREST), dtype=np.float16)
    nearest[one[kept], place[kept]] = other[kept]
    closeness[one[kept], place[kept]] = share[kept]
    first = np.arange(n)
    near = share >= NEAR_SHARED
    np.minimum.at(first, one[near], other[near])
    return Neighbours(nearest=nearest, closeness=closeness, group=groups(nearest, closeness, NEAR_SHARED, first))


def _meetings(feature: IntArray, sighting: NDArray[np.uint64]) -> tuple[IntArray, IntArray]:
    """All pairs a < b of features that have a sighting in common, once for each."""
    order = np.lexsort((feature, sighting))
    feature, sighting = feature[order], sighting[order]
    # Where very many meet, some stand for all: what everybody does tells nobody apart, and pairs grow as squares.
    kept = place_in_group(np.cumsum(np.diff(sighting, prepend=sighting[:1]) != 0)) < CROWD
    feature, sighting = feature[kept], sighting[kept]
    ends = np.searchsorted(sighting, sighting, side="right")
    partners = ends - np.arange(len(sighting)) - 1
    left = np.repeat(np.arange(len(sighting)), partners)
    step = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    return feature[left], feature[left + 1 + step]


NEAREST = 8
"""Nearest features listed."""

NEAR_COSINE = 0.8
"""Decoder directions at least this close are near-duplicates."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbours:
    """The nearest features of every feature, and its group."""

    nearest: NDArray[np.int32]
    """[n, NEAREST] their places, closest first; -1 for none."""
    closeness: NDArray[np.float16]
    """[n, NEAREST] the cosine, or the share of contexts in common."""
    group: NDArray[np.int32]
    """[n] near-duplicates have the same number, the smallest place among them; -1 for a feature without any."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As the arrays of a file."""
        return dict(vars(self))


def by_direction(W_dec: Tensor) -> Neighbours:
    """By the cosine of decoder directions: [n_features, d_model]."""
    import torch

    with torch.inference_mode():
        unit = torch.nn.functional.normalize(W_dec.float(), dim=-1)
        n = len(unit)
        width = min(NEAREST, n - 1)
        nearest = np.full((n, NEAREST), -1, dtype=np.int32)
        closeness = np.zeros((n, NEAREST), dtype=np.float16)
        first = np.arange(n)
        for start in range(0, n, 1024):
            rows = torch.arange(start, min(start + 1024, n), device=unit.device)
            cosines = unit[rows] @ unit.T
            cosines[torch.arange(len(rows)), rows] = -1
            values, ids = cosines.topk(width, dim=-1)
            nearest[rows.cpu(), :width] = torch.where(values > 0, ids, -1).int().cpu().numpy()
            closeness[rows.cpu(), :width] = values.half().cpu().numpy()
            # Beside the nearest the first that is near: a large group then hangs together by its first member.
            near = cosines >= NEAR_COSINE
            hub = torch.where(near.any(dim=1), near.int().argmax(dim=1), rows)
            first[start : start + len(rows)] = hub.cpu().numpy()
            tell("finding neighbours", start + len(rows), n, "features")
    return Neighbours(nearest=nearest, closeness=closeness, group=groups(nearest, closeness, NEAR_COSINE, first))


def groups(
    nearest: NDArray[np.int32], closeness: NDArray[np.float16], least: float, first: NDArray[np.integer[Any]]
) -> NDArray[np.int32]:
    """Who hangs together by links of at least this closeness (and by those to ``first``): [n] -> [n], -1 where alone."""
    n = len(nearest)
    row, at = np.nonzero((closeness >= least) & (nearest >= 0))
    one = np.r_[row, np.arange(n)]
    other = np.r_[nearest[row, at], first]
    label = connected(n, one, other)
    members = np.bincount(label, minlength=n)
    return np.where(members[label] > 1, label, -1).astype(np.int32)
