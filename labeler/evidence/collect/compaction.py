"""An unfinished store on disk: segments as they come, merged as they pile up, and gone on with after any stop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from labeler.evidence.collect.segments import Merged, Part, Piece, Seen, Tally, settle, splits_of
from labeler.evidence.neighbours import Pairs
from labeler.evidence.sampling import permanent_number, pool_limit
from labeler.evidence.store.contexts import Contexts
from labeler.evidence.store.storage import write_tensors
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


PILE = 48
"""Pieces that may lie about before they are merged."""


class Building:
    """The pieces of one dictionary's evidence in a folder; a call that was killed leaves whole pieces only."""

    def __init__(self, folder: Path, n_features: int, base: Part | None = None, seen: Seen | None = None) -> None:
        """Take up what lies in the folder. ``base`` is a finished store to go on from, with what it had ``seen``."""
        self.folder = folder
        self.n_features = n_features
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        merged = sorted(folder.glob("merged-*"))
        self._before: Part | None = Merged(merged[-1]) if merged else base
        reached = _number(merged[-1]) if merged else 0
        for old in merged[:-1]:
            shutil.rmtree(old)
        self._pieces: list[Piece] = []
        for path in sorted(folder.glob("piece-*.safetensors")):
            if _number(path) < reached:
                if _number(path) < reached - 1:  # the last one stays: it says how far the merged ones go
                    path.unlink()
            else:
                self._pieces.append(Piece(path))
        self.n_pieces = reached + len(self._pieces)
        """Pieces taken in so far, those of a ``base`` not counted."""
        self.seen = Seen.load(self._path(self.n_pieces - 1)) if self.n_pieces else seen or Seen()

    def add(
        self,
        contexts: Contexts,
        pairs: Pairs,
        after: tuple[int, int] | None = None,
        n_documents: int | None = None,
        n_left_out: int | None = None,
    ) -> None:
        """Take in the corpus's next contexts with everything that is active in them; the rest is as in ``Seen.plus``."""
        seen = self.seen.plus(contexts, after, n_documents, n_left_out)
        self._pieces.append(Piece.write(self._path(self.n_pieces), contexts, pairs, seen))
        self.n_pieces += 1
        self.seen = seen
        if len(self._pieces) >= PILE:
            self.merge()

    def merge(self) -> Merged:
        """All that was taken in, as one part."""
        before = self._before
        if isinstance(before, Merged) and not self._pieces:
            return before
        parts: list[Part] = [*([before] if before else []), *self._pieces]
        target = self.folder / f"merged-{self.n_pieces:05d}"
        merged = self._before = merge(parts, target, self.n_features, self.seen.n_contexts)
        if isinstance(before, Merged):
            shutil.rmtree(before.folder)
        for piece in [Piece(self._path(self.n_pieces - len(self._pieces) - 1)), *self._pieces[:-1]]:
            piece.path.unlink(missing_ok=True)
        self._pieces = []
        return merged

    def _path(self, number: int) -> Path:
        return self.folder / f"piece-{number:05d}.safetensors"


def _number(path: Path) -> int:
    return int(path.name.split(".")[0].rpartition("-")[2])
