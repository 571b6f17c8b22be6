"""Simulation by a sentence encoder: how close each token, in its context and as a word, is to what the label says.

A token's state in its context knows what is meant; the vector of the word alone is far sharper about which words are
meant. A label is a list of parts more often than not ("colours: red, white and blue"), and the mean of a list is close
to none of its members: each part has its own vector, and a token is as active as the part that it is closest to.
"""

from __future__ import annotations

import asyncio
import functools
import re
import threading
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from labeler.errors import MissingExtraError
from labeler.evidence.states import Product
from labeler.evidence.store import Material
from labeler.features import FloatArray, IntArray
from labeler.models.names import MINILM, encoder_available

IN_CONTEXT = 0.4
"""The share of a token's state in its context; the rest is its word's alone."""

KEPT_TEXTS = 4_096
"""Labels and parts of labels whose vectors a process has in memory; 6 MB."""

AT_ONCE = 512
WORDS_AT_ONCE = 1_024
_BATCH = 32

_UNQUOTED = r'(?=(?:[^"“”]*["“”][^"“”]*["“”])*[^"“”]*$)'
_CLAUSES = re.compile(rf"(?:;|:(?= )){_UNQUOTED}")
_MEMBERS = re.compile(rf"(?:,(?: and| or)? |,? (?:and|or|such as) ){_UNQUOTED}")
_ASIDE = re.compile(r"^\s*(?:also |such as |(?:more )?weakly |the words? )+")


def ordinary_labels() -> list[str]:
    """The labels whose mean is taken off every label's vector, shipped so that a score never depends on a catalogue."""
    lines = files("labeler.simulate").joinpath("ordinary_labels.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@functools.lru_cache(maxsize=1)
def _ordinary() -> NDArray[np.float32]:
    from labeler.models.encoder import load_encoder

    return np.asarray(load_encoder().texts(ordinary_labels()).mean(axis=0), dtype=np.float32)


class _Texts:
    """Vectors of labels and their parts, made when they are first met; those that are new are encoded together."""

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width]"""
        from labeler.models.encoder import load_encoder

        with self._lock:
            new = sorted({text for text in texts if text not in self._known}, key=lambda text: (len(text), text))
            found = {text: self._known[text] for text in texts if text in self._known}
            for start in range(0, len(new), _BATCH):
                part = new[start : start + _BATCH]
                found.update(zip(part, load_encoder().texts(part), strict=True))
            self._known.update(found)
            for oldest in list(self._known)[: max(0, len(self._known) - KEPT_TEXTS)]:
                del self._known[oldest]
        return np.stack([found[text] for text in texts])


_vectors = _Texts()


def directions(texts: Sequence[str]) -> NDArray[np.float32]:
    """What is particular to each text: its vector less the mean of ordinary labels, [n, width]."""
    return _vectors(texts) - _ordinary()


def parts(text: str) -> list[str]:
    """The clauses of a label, and the members of each that is a list; a quoted list is one member."""
    found: list[str] = []
    for clause in _CLAUSES.split(text):
        members = [_ASIDE.sub("", member).strip(' "“”') for member in _MEMBERS.split(clause)]
        found += [clause.strip(), *members] if len(members) > 1 else members
    return [part for part in dict.fromkeys(found) if part] or [text]


class EmbeddingSimulator:
    """The largest over a label's parts of max(0, closeness - mean closeness to ordinary labels) to the fourth power.

    Closeness is the cosine of the part with the token's state in its context and with its word alone, mixed.
    """

    name = "embedding"
    source = MINILM
    free = True
    prompt: str | None = None

    def __init__(self) -> None:
        """Raises MissingExtraError where the encoder cannot run."""
        if not encoder_available():
            raise MissingExtraError(f"the sentence encoder '{MINILM}'", "local")
        self.counts: Counter[str] = Counter()

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol; encodes what is new of texts and words, looks up the contexts."""
        return await asyncio.to_thread(_predict, texts, material)


def _predict(texts: Sequence[str], material: Material) -> FloatArray:
    named = [parts(text) for text in texts]
    first = np.cumsum([0, *map(len, named)])
    wanted = directions([part for found in named for part in found])
    words, alone = _alone(material, wanted)
    predictions = np.empty((len(texts), len(material), material.length), dtype=np.float32)
    for start in range(0, len(material), AT_ONCE):
        here = slice(start, start + AT_ONCE)
        close = IN_CONTEXT * material.store.states.times(material.at[here], wanted)
        close += (1 - IN_CONTEXT) * alone[:, words[here]]
        for at, (a, b) in enumerate(pairwise(first)):
            predictions[at, here] = _sharp(close[a:b])
    return predictions


def _sharp(close: FloatArray) -> FloatArray:
    """How active tokens are: of closeness to the parts of a label [parts, ...] the largest, to the fourth power."""
    squared = np.square(np.maximum(close.max(axis=0), 0.0))
    return np.asarray(np.square(squared), dtype=np.float32)


def _alone(material: Material, directions: FloatArray) -> tuple[IntArray, FloatArray]:
    """Which of some words stands on each token, the last where none does, and their closeness: [n, length], [k, m + 1]."""
    words = material.words()
    used = np.zeros(len(material.store.lexicon) + 1, dtype=bool)
    used[words] = True
    used[-1] = False
    ids = np.flatnonzero(used)
    place = np.full(len(used), len(ids))
    place[ids] = np.arange(len(ids))
    close = np.zeros((len(directions), len(ids) + 1), dtype=np.float32)
    multiply = Product(directions)
    for start in range(0, len(ids), WORDS_AT_ONCE):
        part = ids[start : start + WORDS_AT_ONCE]
        close[:, start : start + len(part)] = multiply(material.store.word_vectors(part))
    return place[words], close


def word_guide(text: str, material: Material) -> FloatArray:
    """What a label would be active on by its words alone, out of context: [n, length]."""
    words, alone = _alone(material, directions(parts(text)))
    return _sharp(alone)[words]


def context_guide(text: str, material: Material) -> NDArray[np.float64]:
    """The cosine of each context's mean state with an explanation: [n]; a label's guess at where its feature fires."""
    means = material.means().astype(np.float32)
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    return np.asarray(unit @ _vectors([text])[0], dtype=np.float64)
