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
from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.models.names import MINILM, encoder_available
from labeler.words import words

SHARPNESS = 4
"""The power that a cosine is raised to: activations are sparse, cosines are not."""

IN_CONTEXT = 0.4
"""The share of a token's state in its context; the rest is its word's alone."""

KEPT_WORDS = 200_000
"""Words whose vectors a process keeps, about; 150 MB."""

AT_ONCE = 512
_BATCH = 256

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


@functools.lru_cache(maxsize=4096)
def _vector(text: str) -> NDArray[np.float32]:
    from labeler.models.encoder import load_encoder

    return load_encoder().texts([text])[0]


def directions(texts: Sequence[str]) -> NDArray[np.float32]:
    """What is particular to each text: its vector less the mean of ordinary labels, [n, width]."""
    return np.stack([_vector(text) for text in texts]) - _ordinary()


def parts(text: str) -> list[str]:
    """The clauses of a label, and the members of each that is a list; a quoted list is one member."""
    found: list[str] = []
    for clause in _CLAUSES.split(text):
        members = [_ASIDE.sub("", member).strip(' "“”') for member in _MEMBERS.split(clause)]
        found += [clause.strip(), *members] if len(members) > 1 else members
    return [part for part in dict.fromkeys(found) if part] or [text]


class _Words:
    """Vectors of single words, made when they are first met and kept while the process lives."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}
        self._vectors = np.zeros((0, 0), dtype=np.float16)
        self._lock = threading.Lock()

    def __call__(self, contexts: Sequence[Sequence[str]], length: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Which of some words each token belongs to, -1 where to none, and their vectors: [n, length] and [m, width]."""
        wanted: dict[str, int] = {}
        which = np.full((len(contexts), length), -1, dtype=np.int64)
        for row, tokens in enumerate(contexts):
            for word in words(tokens):
                place = wanted.setdefault(word.text.lower(), len(wanted))
                which[row, word.tokens.start : word.tokens.stop] = place
        with self._lock:
            return which, self._look_up(list(wanted))

    def _look_up(self, wanted: Sequence[str]) -> NDArray[np.float16]:
        from labeler.models.encoder import load_encoder

        new = sorted((word for word in wanted if word not in self._place), key=len)
        if new:
            if len(self._place) > KEPT_WORDS:
                self._place.clear()
                new = sorted(wanted, key=len)
            known = self._vectors[: len(self._place)]
            made = [load_encoder().texts(new[start : start + _BATCH]) for start in range(0, len(new), _BATCH)]
            fresh = np.concatenate(made).astype(np.float16)
            self._vectors = np.concatenate([known, fresh]) if len(known) else fresh
            self._place.update(zip(new, range(len(known), len(self._vectors)), strict=True))
        return self._vectors[[self._place[word] for word in wanted]]


_WORDS = _Words()


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
        """See the protocol; encodes the texts and new words, looks up the contexts."""
        return await asyncio.to_thread(self._predict, texts, material)

    def _predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        named = [parts(text) for text in texts]
        first = np.cumsum([0, *map(len, named)])
        wanted = directions([part for found in named for part in found]).T
        predictions = np.empty((len(texts), len(material), material.length), dtype=np.float32)
        for start in range(0, len(material), AT_ONCE):  # states are half precision on disk: convert a slice at a time
            part = Material(material.store, material.at[start : start + AT_ONCE])
            which, vectors = _WORDS(part.tokens(), part.length)
            alone = np.concatenate([vectors.astype(np.float32) @ wanted, np.zeros((1, wanted.shape[1]), np.float32)])
            close = IN_CONTEXT * (part.states().astype(np.float32) @ wanted) + (1 - IN_CONTEXT) * alone[which]
            for at, (a, b) in enumerate(pairwise(first)):
                closest = np.maximum(close[:, :, a:b].max(axis=2), 0.0)
                predictions[at, start : start + len(part)] = closest**SHARPNESS
        return predictions


def context_guide(text: str, material: Material) -> NDArray[np.float64]:
    """The cosine of each context's mean state with an explanation: [n]; a label's guess at where its feature fires."""
    means = material.means().astype(np.float32)
    unit = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    return np.asarray(unit @ _vector(text), dtype=np.float64)
