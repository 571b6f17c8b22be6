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
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from labeler.errors import MissingExtraError
from labeler.evidence.store.store import Material
from labeler.features import FloatArray, IntArray
from labeler.models.names import MINILM, encoder_available
from labeler.progress import tell
from labeler.simulators.totals import note, on_contexts, sums

IN_CONTEXT = 0.4
"""The share of a token's state in its context; the rest is its word's alone."""

KEPT_TEXTS = 4_096
"""Labels and parts of labels whose vectors a process has in memory; 6 MB."""

AT_ONCE = 1_000_000
"""Numbers in memory at a time, of closeness of tokens to parts of labels; 4 MB."""

_BATCH = 32

_UNQUOTED = r'(?=(?:[^"“”]*["“”][^"“”]*["“”])*[^"“”]*$)'
_CLAUSES = re.compile(rf"(?:;|:(?= )){_UNQUOTED}")
_MEMBERS = re.compile(rf"(?:,(?: and| or)? |,? (?:and|or|such as) ){_UNQUOTED}")
_ASIDE = re.compile(r"^\s*(?:also |such as |(?:more )?weakly |the words? )+")


def ordinary_labels() -> list[str]:
    """The labels whose mean is taken off every label's vector, shipped so that a score never depends on a catalogue."""
    lines = files("labeler.simulators").joinpath("ordinary_labels.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@functools.lru_cache(maxsize=1)
def _ordinary() -> NDArray[np.float32]:
    return np.asarray(_vectors(ordinary_labels()).mean(axis=0), dtype=np.float32)


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
                tell("encoding labels", start, len(new), "texts")
                part = new[start : start + _BATCH]
                found.update(zip(part, load_encoder().texts(part), strict=True))
            if new:
                tell("encoding labels", len(new), len(new), "texts")
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

    def sums(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol."""
        return on_contexts(_sums, texts, material)

    def at(self, texts: Sequence[str], material: Material, rows: IntArray, positions: IntArray) -> FloatArray:
        """See the protocol."""
        named = [parts(text) for text in texts]
        wanted = directions([part for found in named for part in found])
        words, alone = _alone(material.words()[rows, positions], material, (1 - IN_CONTEXT) * wanted)
        close = material.store.states.times_at(material.at[rows], positions, IN_CONTEXT * wanted)
        close += alone[:, words]
        return np.stack([_sharp(close[a:b]) for a, b in _places(named)])


def _predict(texts: Sequence[str], material: Material) -> FloatArray:
    predictions = np.empty((len(texts), len(material), material.length), dtype=np.float32)
    for at, here, prediction in _by_blocks(texts, material):
        predictions[at, here] = prediction
    note(_sums, texts, material, predictions)
    return predictions


def _sums(texts: Sequence[str], material: Material) -> FloatArray:
    found = np.empty((len(texts), len(material), 2), dtype=np.float32)
    for at, here, prediction in _by_blocks(texts, material):
        found[at, here] = sums(prediction)
    return found


def _by_blocks(texts: Sequence[str], material: Material) -> Iterator[tuple[int, slice, FloatArray]]:
    """The predictions of each text on some contexts at a time."""
    named = [parts(text) for text in texts]
    wanted = directions([part for found in named for part in found])
    words, alone = _alone(material.words(), material, (1 - IN_CONTEXT) * wanted)
    step = max(1, AT_ONCE // (len(wanted) * material.length))
    for start in range(0, len(material), step):
        here = slice(start, start + step)
        close = material.store.states.times(material.at[here], IN_CONTEXT * wanted)
        close += alone[:, words[here]]
        for at, (a, b) in enumerate(_places(named)):
            yield at, here, _sharp(close[a:b])


def _places(named: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Where the parts of each label stand among those of all."""
    return pairwise(np.cumsum([0, *map(len, named)]).tolist())


def _sharp(close: FloatArray) -> FloatArray:
    """How active tokens are: of closeness to the parts of a label [parts, ...] the largest, to the fourth power."""
    squared = np.square(np.maximum(close.max(axis=0), 0.0))
    return np.asarray(np.square(squared), dtype=np.float32)


def _alone(
    words: NDArray[np.int32], material: Material, directions: FloatArray
) -> tuple[NDArray[np.int32], FloatArray]:
    """Of words on some tokens which of a few each is, the last where there is none, and their closeness: [k, few + 1]."""
    used = np.zeros(len(material.store.lexicon) + 1, dtype=bool)
    used[words] = True
    used[-1] = False
    ids = np.flatnonzero(used)
    place = np.full(len(used), len(ids), dtype=np.int32)
    place[ids] = np.arange(len(ids))
    close = np.zeros((len(directions), len(ids) + 1), dtype=np.float32)
    close[:, :-1] = material.store.word_vectors.times(ids, directions)
    return place[words], close


def word_guide(text: str, material: Material) -> FloatArray:
    """What a label would be active on by its words alone, out of context: [n, length]."""
    words, alone = _alone(material.words(), material, directions(parts(text)))
    return _sharp(alone)[words]


def context_guide(text: str, material: Material) -> NDArray[np.float64]:
    """The cosine of each context's mean state with an explanation: [n]; a label's guess at where its feature fires."""
    return material.store.states.closeness(material.at, _vectors([text])[0]).astype(np.float64)
