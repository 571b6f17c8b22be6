"""Where in the contexts of a store something stands that a reading names: words by the index, patterns in the text."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store import EvidenceStore, Material
from labeler.features import SPLITS, IntArray, Split
from labeler.simulate.reading import Reading

Marked = NDArray[np.bool_]
"""[n, length] the tokens on which something is."""

REMEMBERED = 16_000_000
"""Tokens that patterns were found on, in a split of a store, that a process has in memory; 64 MB."""

_BETWEEN = "\0"
"""What stands between contexts while patterns are looked for in all of them at once; no pattern reaches over it."""


class Searched:
    """Contexts that can be searched. Patterns that were looked for in the pool once are not looked for there again."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._words = material.words()
        self._further = material.store.lexicon.further(material.at)
        pool_place = material.store.rows.pool_place[material.at]
        split = material.store.rows.split[material.at]
        self._in_pool: list[tuple[Split, IntArray, IntArray]] = []
        """By split which of the contexts are in the pool, and their places among its contexts of that split."""
        outside = np.ones(len(material), dtype=bool)
        for at, name in enumerate(SPLITS):
            here = np.flatnonzero((pool_place >= 0) & (split == at))
            pool = material.store.pool(name)
            if 2 * len(here) > len(pool):  # for fewer it is quicker to search them alone
                self._in_pool.append((name, here, np.searchsorted(pool, material.at[here])))
                outside[here] = False
        self._outside = np.flatnonzero(outside)

    def find(self, reading: Reading) -> Marked:
        """The tokens on which something is that a reading names."""
        named = np.zeros(len(self._material.store.lexicon) + 1, dtype=bool)  # the last for tokens without a word
        named[self._material.store.lexicon.named(reading.stems)] = True
        found = named[self._words]
        places, words = self._further
        found.ravel()[places[named[words]]] = True
        for pattern in reading.patterns:
            found |= self._matching(pattern)
        return found

    def _matching(self, pattern: str) -> Marked:
        found = np.zeros(self._words.shape, dtype=bool)
        for split, here, place in self._in_pool:
            found[here] = _pool(self._material.store, split).find(pattern)[place]
        if len(self._outside):
            found[self._outside] = self._alone.find(pattern)
        if "^" in pattern or "$" in pattern:
            for row, text in self._edges.items():
                found[row] = text.find(pattern)[0]
        return found

    @functools.cached_property
    def _alone(self) -> Text:
        return Text(self._some(self._outside))

    @functools.cached_property
    def _edges(self) -> dict[int, Text]:
        """The first and the last context: a line begins where all begins, and one ends where all ends."""
        last = len(self._material) - 1
        return {
            row: Text(self._some([row]), before="" if row == 0 else _BETWEEN, behind="" if row == last else _BETWEEN)
            for row in {0, last}
            if last >= 0
        }

    def _some(self, rows: Sequence[int] | IntArray) -> Material:
        return Material(self._material.store, self._material.at[rows])


class Text:
    """Contexts as one text, with the token that each character belongs to."""

    def __init__(self, material: Material, before: str = _BETWEEN, behind: str = _BETWEEN) -> None:
        contexts, length = material.tokens(), material.length
        self._shape = (len(contexts), length)
        self._text = f"{before}{_BETWEEN.join(map(''.join, contexts))}{behind}"
        nobody = np.full(1, -1)
        owner = [np.full(len(before), -1)]
        for row, tokens in enumerate(contexts):
            owner += [np.repeat(np.arange(row * length, row * length + len(tokens)), [*map(len, tokens)]), nobody]
        self._owner = np.concatenate(owner).astype(np.int32)

    def find(self, pattern: str) -> Marked:
        """The tokens that a pattern, or its group ``at``, matches."""
        found = np.zeros(self._shape, dtype=bool)
        found.ravel()[self.places(pattern)] = True
        return found

    def places(self, pattern: str) -> NDArray[np.int32]:
        """The same tokens by their places, counted through all contexts."""
        compiled = _compiled(pattern)
        group = "at" if "at" in compiled.groupindex else 0
        spans = np.array([match.span(group) for match in compiled.finditer(self._text)], dtype=np.int64).reshape(-1, 2)
        begin, count = spans[:, 0], np.diff(spans)[:, 0]
        characters = np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())
        tokens = self._owner[characters]
        return np.unique(tokens[tokens >= 0])


class PoolText(Text):
    """A split of the pool, with what patterns were found on there."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._known: dict[str, NDArray[np.int32]] = {}
        self._lock = threading.Lock()

    def places(self, pattern: str) -> NDArray[np.int32]:
        """See ``Text``."""
        with self._lock:
            if pattern not in self._known:
                self._known[pattern] = super().places(pattern)
                held = sum(map(len, self._known.values()))
                for oldest in list(self._known)[:-1]:
                    if held <= REMEMBERED:
                        break
                    held -= len(self._known.pop(oldest))
            return self._known[pattern]


@functools.lru_cache(maxsize=6)
def _pool(store: EvidenceStore, split: Split) -> PoolText:
    return PoolText(store.material(store.pool(split)))


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
