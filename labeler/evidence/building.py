"""An unfinished store on disk: pieces as they come, merged as they pile up, and gone on with after any stop."""

from __future__ import annotations

import shutil
from pathlib import Path

from labeler.evidence.contexts import Contexts
from labeler.evidence.merging import merge
from labeler.evidence.pairs import Pairs
from labeler.evidence.parts import Merged, Part, Piece, Seen

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
