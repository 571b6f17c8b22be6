"""A finished store as a part of what is built next: more of its corpus can be added to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from labeler.evidence.collect.segments import Seen, Tally
from labeler.evidence.neighbours import Pairs
from labeler.evidence.store.contexts import Contexts
from labeler.evidence.store.storage import Tensors
from labeler.evidence.store.store import EvidenceStore


@dataclass(frozen=True)
class Stored:
    """A store of a collection, as a part."""

    store: EvidenceStore

    @property
    def seen(self) -> Seen:
        """How far it goes in its corpus."""
        return Seen.of(self.store.manifest.progress["seen"])

    def weight(self) -> int:
        """See the protocol."""
        return sum(len(file["value"]) for file in self._shards())

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        for table in self.store.manifest.tables:
            yield Contexts.load(self.store.open(table))

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol."""
        ordinals = self.store.rows.whole("ordinal")
        found, counts = [], []
        first = 0
        for shard in self.store.manifest.shards:
            a, b = max(low - first, 0), min(high - first, shard.n)
            if a < b:
                pairs, tally = _between(self.store.open(shard), a, b, first, ordinals)
                found.append(pairs)
                counts.append(tally)
            first += shard.n
        return Pairs.merge(found), Tally.merge(counts)

    def _shards(self) -> Iterator[Tensors]:
        return (self.store.open(shard) for shard in self.store.manifest.shards)


def _between(file: Tensors, a: int, b: int, first: int, ordinals: np.ndarray) -> tuple[Pairs, Tally]:
    """The features a … b - 1 of a shard whose first one is ``first``."""
    begin, end = int(file["offsets"][a]), int(file["offsets"][b])
    start, stop = int(file["starts"][a]), int(file["starts"][b])
    pairs = Pairs(
        feature=np.repeat(np.arange(first + a, first + b, dtype=np.int32), np.diff(file["offsets"][a : b + 1])),
        ordinal=ordinals[file["context"][begin:end]],
        count=file["count"][begin:end],
        position=file["position"][start:stop],
        value=file["value"][start:stop],
    )
    # In the store the sample stands first.
    ordered = pairs.take(np.lexsort((pairs.ordinal, pairs.feature)))
    return ordered, Tally.of_dense(first + a, file["population"][a:b], file["histogram"][a:b])
