"""Simulation without any model: a feature is active on what its explanation names to the letter."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from labeler.evidence.store.store import Material
from labeler.features import FloatArray, IntArray
from labeler.simulators.totals import note, on_contexts, sums
from labeler.simulators.word_rules import read
from labeler.simulators.word_search import Searched

LONGEST = 600
"""Characters of an explanation that are read: a label and a sentence. Patterns of a longer one would take their time."""


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
        return await asyncio.to_thread(_predict, texts, material)

    def sums(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol."""
        return on_contexts(_sums, texts, material)

    def at(self, texts: Sequence[str], material: Material, rows: IntArray, positions: IntArray) -> FloatArray:
        """See the protocol."""
        contexts, which = np.unique(rows, return_inverse=True)
        return named(texts, Material(material.store, material.at[contexts]))[:, which, positions]


def _predict(texts: Sequence[str], material: Material) -> FloatArray:
    predictions = named(texts, material)
    note(_sums, texts, material, predictions)
    return predictions


def _sums(texts: Sequence[str], material: Material) -> FloatArray:
    return sums(named(texts, material))


def named(texts: Sequence[str], material: Material) -> FloatArray:
    """What texts name, as predictions: [n_texts, n, length]."""
    searched = _searched(material)
    found = np.zeros((len(texts), len(material), material.length), dtype=np.float32)
    for prediction, text in zip(found, texts, strict=True):
        for reading, strength in read(text[:LONGEST]):
            np.maximum(prediction, np.where(searched.find(reading), np.float32(strength), 0), out=prediction)
    return found


@functools.lru_cache(maxsize=4)
def _searched(material: Material) -> Searched:
    return Searched(material)
