"""Simulation without any model: a feature is active on what its explanation names to the letter."""

from __future__ import annotations

import asyncio
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.simulate.reading import Reading, read
from labeler.words import words

LONGEST = 600
"""Characters of an explanation that are read: a label and a sentence. Patterns of a longer one would take their time."""

_BETWEEN = "\0"
"""What stands between contexts while patterns are looked for in all of them at once; no pattern reaches over it."""


class LexicalSimulator:
    """1 on every token of what the explanation names, else 0: the control that other simulators have to beat.

    See ``reading`` for what counts as named: words, marks, endings, kinds of characters, and places.
    """

    name = "lexical"
    source = "lexical"
    free = True
    prompt: str | None = None

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol."""
        return await asyncio.to_thread(self._predict, texts, material)

    def _predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        searched = Searched(material.tokens(), material.length)
        found = np.zeros((len(texts), len(material) * material.length), dtype=np.float32)
        for prediction, text in zip(found, texts, strict=True):
            for reading, strength in read(text[:LONGEST]):
                at = searched.find(reading)
                prediction[at] = np.maximum(prediction[at], strength)
        return found.reshape(len(texts), len(material), material.length)


class Searched:
    """Contexts as one text, with the token that each character and each word belongs to."""

    def __init__(self, contexts: Sequence[Sequence[str]], length: int) -> None:
        """``length`` is the number of tokens that each context has room for."""
        self._text = _BETWEEN.join("".join(tokens) for tokens in contexts)
        self._owner = np.concatenate(
            [np.array([-1]), *(part for row, tokens in enumerate(contexts) for part in _owners(tokens, row * length))]
        )[1:-1]
        self._words: defaultdict[str, list[int]] = defaultdict(list)
        for row, tokens in enumerate(contexts):
            for word in words(tokens):
                first = row * length
                self._words[word.stem].extend(range(first + word.tokens.start, first + word.tokens.stop))

    def find(self, reading: Reading) -> NDArray[np.int64]:
        """The tokens on which something is that a reading names, counted through all contexts."""
        found = [np.array(self._words.get(stem, []), dtype=np.int64) for stem in reading.stems]
        hit = np.zeros(len(self._text), dtype=bool)
        for pattern in reading.patterns:
            compiled = _compiled(pattern)
            group = "at" if "at" in compiled.groupindex else 0
            for match in compiled.finditer(self._text):
                hit[match.start(group) : match.end(group)] = True
        tokens = self._owner[hit]
        return np.unique(np.concatenate([*found, tokens[tokens >= 0]]).astype(np.int64))


def _owners(tokens: Sequence[str], first: int) -> list[NDArray[np.int64]]:
    lengths = [len(token) for token in tokens]
    return [np.repeat(np.arange(first, first + len(tokens)), lengths), np.array([-1])]


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
