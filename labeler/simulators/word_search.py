"""Where in the contexts of a store something stands that a reading names: words by the index, patterns in the text."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store.store import EvidenceStore, Material
from labeler.features import IntArray, Split
from labeler.simulators.word_rules import Reading, held_by

Marked = NDArray[np.bool_]
"""[n, length] the tokens on which something is."""

REMEMBERED = 16_000_000
"""Tokens that patterns were found on, in a split of a store, that a process has in memory; 64 MB."""

_BETWEEN = "\0"
"""What stands between contexts while patterns are looked for in all of them at once; no pattern reaches over it."""


_CHARACTER = re.compile(r"\\\W|[^\\\[\](){}.*+?^$|]|\[\^?(?:\\.|[^\]\[\\])+\]")
"""A pattern for one character of some, whatever stands around it: it need not be looked for character by character."""


class Searched:
    """Contexts that can be searched. What a pattern was found on in the pool once is not looked for there again."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._words = material.words()
        self._further = material.store.lexicon.further(material.at)
        self._texts: dict[int, Text] = {}

    @functools.cached_property
    def _parts(self) -> list[tuple[Split | None, IntArray, IntArray]]:
        """The contexts outside the pool, and by split those in it, with their places among its contexts of that split."""
        rows = self._material.at
        outside = np.flatnonzero(self._material.store.rows.pool_place[rows] < 0)
        return [(None, outside, rows[outside]), *self._material.in_pool()]

    def find(self, reading: Reading) -> Marked:
        """The tokens on which something is that a reading names."""
        lexicon = self._material.store.lexicon
        found = np.zeros(self._words.shape, dtype=bool)
        if reading.stems:
            named = np.zeros(len(lexicon) + 1, dtype=bool)  # the last for tokens without a word
            named[lexicon.named(reading.stems)] = True
            found = named[self._words]
            places, words = self._further
            found.ravel()[places[named[words]]] = True
        for pattern in reading.patterns:
            found |= self._matching(pattern)
        return found

    def _matching(self, pattern: str) -> Marked:
        found = np.zeros(self._words.shape, dtype=bool)
        for number, (split, here, place) in enumerate(self._parts):
            if not len(here):
                continue
            pool = None if split is None else _pool(self._material.store, split)
            if pool is not None and (pool.knows(pattern) or 2 * len(here) > len(pool)):
                found[here] = pool.find(pattern)[place]
            else:  # quicker than to search all of the pool
                found[here] = self._alone(number).find(pattern)
        if "^" in pattern or "$" in pattern:
            for row, text in self._edges.items():
                found[row] = text.find(pattern)[0]
        return found

    def _alone(self, number: int) -> Text:
        """The contexts of a part as a text, made when it is first searched."""
        if number not in self._texts:
            self._texts[number] = Text(self._some(self._parts[number][1]))
        return self._texts[number]

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
        rows, length = material.store.rows, material.length
        lengths = rows.column("lengths", material.at)
        ends = np.where(np.arange(length) < lengths[:, None], rows.column("ends", material.at), 0).astype(np.int64)
        ends = np.maximum.accumulate(ends, axis=1)
        texts = [
            rows.string(row)[:end]
            for row, end in zip(material.at.tolist(), ends.max(axis=1, initial=0).tolist(), strict=True)
        ]
        ends = np.minimum(ends, np.array([*map(len, texts), 0])[:-1, None])
        self._shape = (len(texts), length)
        self._text = f"{before}{_BETWEEN.join(texts)}{behind}"
        # After a context's tokens comes one of nobody, for what stands between contexts.
        owner = np.full((len(texts), length + 1), -1, dtype=np.int32)
        owner[:, :length] = np.arange(len(texts) * length).reshape(-1, length)
        counts = np.diff(ends, axis=1, prepend=0, append=ends[:, -1:] + len(_BETWEEN))
        of_characters = np.concatenate([np.full(len(before), -1), np.repeat(owner.ravel(), counts.ravel())])
        self._owner = of_characters[: len(self._text)].astype(np.int32)
        """[characters] the token that each belongs to, counted through all contexts; -1 where to none."""
        self._begins = np.cumsum([len(before), *(len(text) + len(_BETWEEN) for text in texts)])
        """[n + 1] where each context begins, and where another would."""

    def __len__(self) -> int:
        """How many contexts there are."""
        return self._shape[0]

    def find(self, pattern: str) -> Marked:
        """The tokens that a pattern, or its group ``at``, matches."""
        found = np.zeros(self._shape, dtype=bool)
        found.ravel()[self.places(pattern)] = True
        return found

    def places(self, pattern: str) -> NDArray[np.int32]:
        """The same tokens by their places, counted through all contexts."""
        if _CHARACTER.fullmatch(pattern):
            matching = np.array([bool(_compiled(pattern).fullmatch(one)) for one in self._alphabet], dtype=bool)
            return _each_once(self._owner[matching[self._letters]])
        compiled = _compiled(pattern)
        group = "at" if "at" in compiled.groupindex else 0
        found = [
            match.span(group)
            for begin, end in self._where(pattern)
            for match in compiled.finditer(self._text, begin, end)
        ]
        spans = np.array(found, dtype=np.int64).reshape(-1, 2)
        begin, count = spans[:, 0], np.diff(spans)[:, 0]
        characters = np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())
        return _each_once(self._owner[characters])

    def _where(self, pattern: str) -> Sequence[tuple[int, int]]:
        """The stretches of the text that a pattern has to be looked for in: of one for a quoted text, contexts that hold it."""
        wanted = held_by(pattern)
        if not wanted:
            return [(0, len(self._text))]
        places: list[int] = []
        at = self._lower.find(wanted)
        while at >= 0:
            places.append(at)
            at = self._lower.find(wanted, at + len(wanted))
        if 4 * len(places) > self._shape[0]:
            return [(0, len(self._text))]
        contexts = np.unique(np.searchsorted(self._begins, places, side="right") - 1)
        # With what stands between contexts on either side: nothing looks further.
        return [(max(0, int(self._begins[at]) - 1), int(self._begins[at + 1])) for at in contexts]

    @functools.cached_property
    def _lower(self) -> str:
        """The text in lower case, character by character."""
        lower = self._text.replace("\u0130", "i").lower().replace("\u0131", "i").replace("\u017f", "s")
        assert len(lower) == len(self._text)
        return lower

    @functools.cached_property
    def _alphabet(self) -> list[str]:
        """The characters that there are."""
        return sorted(set(self._text))

    @functools.cached_property
    def _letters(self) -> NDArray[np.int32]:
        """[characters] the place of each in the alphabet."""
        codes = np.frombuffer(self._text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        place = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int32)
        place[[*map(ord, self._alphabet)]] = np.arange(len(self._alphabet))
        return place[codes]


def _each_once(tokens: NDArray[np.int32]) -> NDArray[np.int32]:
    """The tokens of consecutive characters, each for all of its own; without what is nobody's."""
    tokens = tokens[tokens >= 0]
    found: NDArray[np.int32] = tokens[np.append(True, tokens[1:] != tokens[:-1])[: len(tokens)]]
    return found


class PoolText(Text):
    """A split of the pool, with what patterns were found on there."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._known: dict[str, NDArray[np.int32]] = {}
        self._lock = threading.Lock()

    def knows(self, pattern: str) -> bool:
        """Whether a pattern was looked for already."""
        return pattern in self._known

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
