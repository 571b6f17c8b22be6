"""Segments of an unfinished store: contexts, activations and counts of a stretch of the corpus, as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.neighbours import Pairs
from labeler.evidence.sampling import N_STRATA, RESERVOIR, TOP, first_of_group, permanent_number, strata
from labeler.evidence.store.contexts import Contexts
from labeler.evidence.store.storage import DamagedFileError, Tensors, write_tensors
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


def sampled_and_top(
    pairs: Pairs, split: NDArray[np.integer[Any]], limit: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are part of the probability sample, and which of the strongest: [n] -> [n], [n].

    The sample holds a pair where its context is of the pool (its permanent number is at most ``limit``), or is among the
    RESERVOIR smallest numbers of the feature's split and stratum. Settling is associative: what it drops of a part, it
    would have dropped of the whole.
    """
    number = permanent_number(pairs.ordinal)
    in_pool = number <= limit
    if in_pool.all():
        return in_pool, np.zeros_like(in_pool)
    feature = (pairs.feature - pairs.feature.min(initial=0)).astype(np.int64)
    of_split = feature * len(SPLITS) + split
    # Reservoirs reach beyond the pool only where the pool holds too few, so both cuts are on the same number.
    smallest = first_of_group(of_split * N_STRATA + pairs.stratum, (number * 2.0**33).astype(np.uint64), RESERVOIR)
    # Of equally strong ones the smaller number: 17 bits of strength (a float16's order is its bits'), 16 of number.
    weakness = np.uint64(0xFFFF) - pairs.maximum.astype(np.float16).view(np.uint16).astype(np.uint64)
    strongest = first_of_group(of_split, (weakness << np.uint64(16)) | (number * 2.0**16).astype(np.uint64), TOP)
    return in_pool | smallest, strongest


def settle(pairs: Pairs, split: NDArray[np.integer[Any]], limit: float) -> Pairs:
    """The pairs that something needs."""
    sampled, top = sampled_and_top(pairs, split, limit)
    kept = sampled | top
    return pairs if kept.all() else pairs.take(np.flatnonzero(kept))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How much of a corpus has been taken in, and where to go on."""

    n_contexts: int = 0
    n_tokens: int = 0
    splits: tuple[int, ...] = (0,) * len(SPLITS)
    """Contexts by split."""
    after: tuple[int, int] | None = None
    """The last window that was taken in: its passage in the corpus and its first token there."""
    n_documents: int | None = None
    """Documents up to there; None where nobody counted."""
    n_left_out: int | None = None
    """Contexts up to there that no split may have, for they are copies; None where nobody counted."""

    def plus(
        self,
        contexts: Contexts,
        after: tuple[int, int] | None,
        n_documents: int | None = None,
        n_left_out: int | None = None,
    ) -> Seen:
        """After some more contexts; ``n_documents`` and ``n_left_out`` count from the first on."""
        new = np.bincount(contexts.split, minlength=len(SPLITS))
        return Seen(
            n_contexts=self.n_contexts + len(contexts),
            n_tokens=self.n_tokens + contexts.n_tokens,
            splits=tuple(int(a + b) for a, b in zip(self.splits, new, strict=True)),
            after=after,
            n_documents=n_documents,
            n_left_out=n_left_out,
        )

    def metadata(self) -> dict[str, str]:
        """As a file keeps it."""
        return {"seen": json.dumps(asdict(self))}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Seen:
        """Out of what JSON kept of it."""
        after = stored["after"]
        return cls(**{**stored, "splits": tuple(stored["splits"]), "after": after and (after[0], after[1])})

    @classmethod
    def load(cls, path: Path) -> Seen:
        """Out of a file."""
        try:
            return cls.of(json.loads(Tensors(path).metadata["seen"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedFileError(path, "it does not say how far it goes") from error


class Part(Protocol):
    """Something that holds contexts of a corpus and the pairs of features in them."""

    def weight(self) -> int:
        """About how many activations it holds."""
        ...

    def contexts(self) -> Iterator[Contexts]:
        """Its contexts in the corpus's order, a table at a time."""
        ...

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """The pairs of the features low … high - 1, copied into memory, and the counts that they are part of."""
        ...


@dataclass(frozen=True)
class Piece:
    """A file with some consecutive contexts of a corpus and everything that is active in them."""

    path: Path

    @classmethod
    def write(cls, path: Path, contexts: Contexts, pairs: Pairs, seen: Seen) -> Piece:
        """Write the file; ``seen`` is what has been taken in with it."""
        tables = {f"contexts.{name}": array for name, array in contexts.arrays().items()}
        write_tensors(path, {**tables, **pairs.arrays()}, seen.metadata())
        return cls(path)

    def weight(self) -> int:
        """See the protocol."""
        return len(Tensors(self.path)["value"])

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        yield Contexts.load(under("contexts", Tensors(self.path)))

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol; counted as it is read, for nothing was dropped yet."""
        file = Tensors(self.path)
        pairs = Pairs.load(file).between(low, high)
        first = int(file["contexts.ordinal"][0])
        return Pairs.merge([pairs]), Tally.of(pairs, file["contexts.split"][pairs.ordinal - first])


@dataclass(frozen=True)
class Merged:
    """A folder with all that was kept of several parts: tables of contexts, and a file for every range of features."""

    folder: Path

    def weight(self) -> int:
        """See the protocol."""
        return sum(len(Tensors(path)["value"]) for path in self.ranges().values())

    def tables(self) -> list[Path]:
        """The files of its contexts, in order."""
        return sorted(self.folder.glob("contexts-*.safetensors"))

    def ranges(self) -> dict[int, Path]:
        """The files of its pairs, by the first feature of each."""
        return {int(path.stem.removeprefix("pairs-")): path for path in sorted(self.folder.glob("pairs-*.safetensors"))}

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        for path in self.tables():
            yield Contexts.load(Tensors(path))

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol."""
        ranges = self.ranges()
        firsts = list(ranges)
        files = [
            Tensors(ranges[first])
            for first, following in zip(firsts, [*firsts[1:], 2**62], strict=True)
            if first < high and low < following
        ]
        pairs = Pairs.merge([Pairs.load(file).between(low, high) for file in files])
        return pairs, Tally.merge([Tally.load(file).between(low, high) for file in files])


def under(prefix: str, file: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a file whose names start so, without the prefix."""
    return {name.removeprefix(f"{prefix}."): file[name] for name in file if name.startswith(f"{prefix}.")}


def splits_of(part: Part) -> tuple[IntArray, NDArray[np.uint8]]:
    """The ordinals of a part's contexts and their splits: [n], [n]."""
    tables = [(table.ordinal.copy(), table.split.copy()) for table in part.contexts()]
    return np.concatenate([t[0] for t in tables]), np.concatenate([t[1] for t in tables])
