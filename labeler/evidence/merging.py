"""Several parts into one, a range of features at a time, so that memory holds a range and not the whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from labeler.evidence.contexts import Contexts
from labeler.evidence.pairs import Pairs
from labeler.evidence.parts import Merged, Part, splits_of
from labeler.evidence.sampling import permanent_number, pool_limit
from labeler.evidence.settling import settle
from labeler.evidence.tally import Tally
from labeler.evidence.tensors import write_tensors
from labeler.progress import tell

AT_ONCE = 1_500_000
"""Activations in memory at a time, about."""

WIDEST = 16_384
"""Features in a range, at most."""

TABLE = 65_536
"""Contexts in a table, at most."""


def merge(parts: Sequence[Part], folder: Path, n_features: int, n_contexts: int) -> Merged:
    """Write what is kept of all parts together into a folder, which appears whole or not at all.

    ``n_contexts`` have been seen of the corpus: they say how large a share of it the pool is. The parts follow each
    other in the corpus. Returns the merged part.
    """
    limit = pool_limit(n_contexts)
    scratch = folder.with_name(folder.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    known = [splits_of(part) for part in parts]
    ordinals, splits = np.concatenate([k[0] for k in known]), np.concatenate([k[1] for k in known])
    wanted = np.zeros(n_contexts, dtype=bool)
    width = range_width(n_features, sum(part.weight() for part in parts))
    for low in range(0, n_features, width):
        tell("merging", low, n_features, "features")
        found = [part.between(low, min(low + width, n_features)) for part in parts]
        pairs, tally = Pairs.merge([p for p, _ in found]), Tally.merge([t for _, t in found])
        del found
        pairs = settle(pairs, splits[np.searchsorted(ordinals, pairs.ordinal)], limit)
        wanted[pairs.ordinal] = True
        write_tensors(scratch / f"pairs-{low:010d}.safetensors", {**pairs.arrays(), **tally.arrays()})
    tell("merging", n_features, n_features, "features")
    for number, table in enumerate(tables(parts, wanted, limit)):
        pool = permanent_number(table.ordinal) <= limit
        write_tensors(scratch / f"contexts-{number:05d}.safetensors", {**table.arrays(), "pool": pool})
    scratch.rename(folder)
    return Merged(folder)


def range_width(n_features: int, weight: int) -> int:
    """How many features to take at a time: a power of two, so that about AT_ONCE activations are in memory."""
    width = WIDEST
    while width > 1 and weight * width > AT_ONCE * n_features:
        width //= 2
    return width


def tables(parts: Sequence[Part], wanted: np.ndarray, limit: float) -> Iterator[Contexts]:
    """The contexts that are kept, in tables of at most TABLE."""
    waiting: list[Contexts] = []
    held = 0
    for part in parts:
        for table in part.contexts():
            kept = table.take(np.flatnonzero(wanted[table.ordinal] | (permanent_number(table.ordinal) <= limit)))
            if waiting and held + len(kept) > TABLE:
                yield Contexts.concatenate(waiting)
                waiting, held = [], 0
            waiting.append(kept)
            held += len(kept)
    if waiting:
        yield Contexts.concatenate(waiting)
