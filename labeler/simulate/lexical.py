"""Simulation without any model: a feature is active on the words that its explanation names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import numpy as np

from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.words import STOPWORDS, stem, words

_QUOTED = re.compile(r"[\"“”`«]([^\"“”`»]+)[\"“”`»]|(?<!\w)'([^']+)'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def named(text: str) -> frozenset[str]:
    """The stems that an explanation names: those it quotes where it quotes any, else every word but the small ones."""
    quoted = [a or b for a, b in _QUOTED.findall(text)]
    if quoted:
        inside = " ".join(quoted)
        stems = {stem(word) for word in _WORD.findall(inside)} | {mark for mark in inside if not mark.isalnum()}
        return frozenset(stems - {" "})
    return frozenset(stem(word) for word in _WORD.findall(text) if word.lower() not in STOPWORDS)


class LexicalSimulator:
    """1 on every token of a word that the explanation names, else 0: the control that other simulators have to beat."""

    name = "lexical"
    source = "lexical"
    free = True
    prompt: str | None = None

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol."""
        return await asyncio.to_thread(self._predict, texts, material)

    def _predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        found = np.zeros((len(texts), len(material), material.length), dtype=np.float32)
        stems = [named(text) for text in texts]
        for row, tokens in enumerate(material.tokens()):
            for word in words(tokens):
                key = word.stem
                for at, wanted in enumerate(stems):
                    if key in wanted:
                        found[at, row, word.tokens.start : word.tokens.stop] = 1.0
        return found
