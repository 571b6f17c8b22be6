"""From the pieces of a collection to what is kept of it: counts over everything, contexts by permanent number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.sampling import N_STRATA, POOL, RESERVOIR, TOP, permanent_numbers, rank_within, split_of, strata
from labeler.evidence.shards import Shard
from labeler.features import SPLITS

_PAIR = np.dtype(
    [
        ("feature", np.int32),
        ("context", np.int64),  # ordinal in the corpus
        ("shard", np.int32),
        ("start", np.int64),  # its activations in the shard
        ("count", np.uint8),
        ("split", np.uint8),
        ("stratum", np.uint8),
        ("number", np.float64),  # the context's permanent number
        ("maximum", np.float32),
    ]
)


@dataclass
class Gathering:
    """What has been seen so far; ``add`` takes the shards in order, and keeps of each only what may be needed.

    A *pair* is a feature and a context that it fires in.
    """

    n_features: int
    n_tokens: int = 0
    n_contexts: int = 0
    splits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SPLITS), dtype=np.int64))
    """Contexts of the corpus by split."""

    def __post_init__(self) -> None:
        self.population = np.zeros((self.n_features, len(SPLITS), N_STRATA), dtype=np.int32)
        self.histogram = np.zeros((self.n_features, N_STRATA), dtype=np.int64)
        self.maximum = np.zeros(self.n_features, dtype=np.float32)
        self.pairs = np.zeros(0, dtype=_PAIR)
        self._settled = 0
        self._pool_numbers = np.zeros(0)

    @property
    def pool_limit(self) -> float:
        """A context belongs to the pool if its permanent number is at most this."""
        numbers = self._pool_numbers
        return 1.0 if len(numbers) < POOL else float(np.partition(numbers, POOL - 1)[POOL - 1])

    def add(self, number: int, shard: Shard) -> None:
        """Take in the shard of this number; it holds the corpus's next contexts."""
        first = self.n_contexts
        self.n_contexts += len(shard.lengths)
        self.n_tokens += shard.n_tokens
        document_split = np.array([split_of(name) for name in shard.documents], dtype=np.uint8)
        split = document_split[shard.document]
        self.splits += np.bincount(split, minlength=len(SPLITS))
        numbers = permanent_numbers(first, len(shard.lengths))
        self._pool_numbers = np.concatenate([self._pool_numbers, numbers])
        if len(self._pool_numbers) > 2 * POOL:
            self._pool_numbers = np.partition(self._pool_numbers, POOL - 1)[:POOL]
        if not len(shard.feature):
            return

        value = shard.value.astype(np.float32)
        np.add.at(self.histogram, (shard.feature, strata(value)), 1)
        starts = np.flatnonzero(np.diff(shard.feature, prepend=-1) | np.diff(shard.context, prepend=-1))
        pairs = np.zeros(len(starts), dtype=_PAIR)
        local = shard.context[starts]
        pairs["feature"] = shard.feature[starts]
        pairs["context"] = first + local
        pairs["shard"] = number
        pairs["start"] = starts
        pairs["count"] = np.diff(starts, append=len(value))
        pairs["split"] = split[local]
        pairs["maximum"] = np.maximum.reduceat(value, starts)
        pairs["stratum"] = strata(pairs["maximum"])
        pairs["number"] = numbers[local]
        np.add.at(self.population, (pairs["feature"], pairs["split"], pairs["stratum"]), 1)
        np.maximum.at(self.maximum, pairs["feature"], pairs["maximum"])
        self.pairs = np.concatenate([self.pairs, pairs])
        if len(self.pairs) > 2 * self._settled + 2_000_000:
            self.settle()

    def settle(self) -> NDArray[np.bool_]:
        """Drop the pairs that nothing needs; return which of the kept ones are part of the probability sample."""
        pairs = self.pairs
        split_feature = pairs["feature"].astype(np.int64) * len(SPLITS) + pairs["split"]
        in_pool = pairs["number"] <= self.pool_limit
        # Reservoirs reach beyond the pool only where the pool holds too few, so both cuts are on the same number.
        sampled = in_pool | (rank_within(split_feature * N_STRATA + pairs["stratum"], pairs["number"]) < RESERVOIR)
        top = rank_within(split_feature, -pairs["maximum"]) < TOP
        kept = sampled | top
        self.pairs = pairs[kept]
        self._settled = len(self.pairs)
        return np.asarray(sampled[kept])

    def silent(self) -> None:
        """Fill stratum 0 of the population: contexts that were looked at and did not fire."""
        self.population[:, :, 0] = self.splits - self.population[:, :, 1:].sum(axis=2)


@dataclass(frozen=True, eq=False)
class Kept:
    """The contexts and pairs of a finished collection, as the store's arrays by file name."""

    arrays: dict[str, NDArray[np.generic]]
    texts: list[str]
    documents: list[str]


def keep(gathering: Gathering, shards: Callable[[], Iterable[tuple[int, Shard]]]) -> Kept:
    """Pull what is kept out of the shards, in a second pass over them."""
    sampled = gathering.settle()
    gathering.silent()
    pairs, limit = gathering.pairs, gathering.pool_limit
    order = np.lexsort((pairs["context"], pairs["feature"]))
    pairs, sampled = pairs[order], sampled[order]
    wanted = np.zeros(gathering.n_contexts, dtype=bool)
    wanted[pairs["context"]] = True
    numbers = permanent_numbers(0, gathering.n_contexts)
    wanted |= numbers <= limit

    row_of = np.cumsum(wanted) - 1  # a kept context's row in the store, by its ordinal in the corpus
    counts = pairs["count"].astype(np.int64)
    start = np.concatenate([[0], np.cumsum(counts)])
    position, value = np.zeros(start[-1], dtype=np.uint8), np.zeros(start[-1], dtype=np.float16)
    tokens, lengths, ends, document, split = [], [], [], [], []
    texts: list[str] = []
    documents: dict[str, int] = {}
    first = 0
    for number, shard in shards():
        here = np.flatnonzero(wanted[first : first + len(shard.lengths)])
        first += len(shard.lengths)
        tokens.append(shard.tokens[here])
        lengths.append(shard.lengths[here])
        ends.append(shard.ends[here])
        texts += [shard.texts[row] for row in here]
        place = np.array([documents.setdefault(name, len(documents)) for name in shard.documents], dtype=np.int32)
        document.append(place[shard.document[here]])
        split.append(np.array([split_of(name) for name in shard.documents], dtype=np.uint8)[shard.document[here]])
        mine = np.flatnonzero(pairs["shard"] == number)
        spans = counts[mine]
        within = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
        source = np.repeat(pairs["start"][mine], spans) + within
        target = np.repeat(start[:-1][mine], spans) + within
        position[target], value[target] = shard.position[source], shard.value[source]

    return Kept(
        arrays={
            "contexts.tokens": np.concatenate(tokens),
            "contexts.lengths": np.concatenate(lengths),
            "contexts.ends": np.concatenate(ends),
            "contexts.document": np.concatenate(document),
            "contexts.split": np.concatenate(split),
            "contexts.pool": (numbers <= limit)[wanted],
            "pairs.offsets": np.searchsorted(pairs["feature"], np.arange(gathering.n_features + 1)),
            "pairs.context": row_of[pairs["context"]].astype(np.int32),
            "pairs.stratum": pairs["stratum"].copy(),
            "pairs.sampled": sampled,
            "pairs.start": start,
            "active.position": position,
            "active.value": value,
            "features.population": gathering.population,
            "features.histogram": gathering.histogram,
            "features.firing": gathering.histogram.sum(axis=1),
            "features.maximum": gathering.maximum,
        },
        texts=texts,
        documents=list(documents),
    )
