"""Features that fire on the same tokens: who is near where no decoder says it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.neighbours import NEAREST, Neighbours, groups
from labeler.evidence.rows import Rows
from labeler.evidence.sampling import place_in_group
from labeler.evidence.tensors import Tensors
from labeler.features import IntArray

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
