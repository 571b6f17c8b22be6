"""The sentence encoder's vectors of single words: stored for the pool's, made when first asked for elsewhere, and kept."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store.cache import Kept
from labeler.evidence.store.contexts import Rows
from labeler.evidence.store.lexicon import Lexicon
from labeler.evidence.store.states import Product
from labeler.evidence.store.storage import DamagedFileError, Tensors, write_tensors
from labeler.features import FloatArray, IntArray
from labeler.models.names import ENCODER, ENCODER_WIDTH
from labeler.progress import Progress, tell

Half = NDArray[np.float16]

VECTORS = "vectors.safetensors"

REMEMBERED = 200_000
"""Words outside a store's own whose vectors a process has in memory, about; 150 MB."""

AT_ONCE = 1_024
"""Words whose vectors are multiplied at once: a block of 1.5 MB."""

WHOLE = 40_000
"""Words up to which a store's vectors are held in single precision; 60 MB."""

_BATCH = 256


class WordVectors:
    """Unit vectors of a store's words."""

    def __init__(self, lexicon: Lexicon, stored: Tensors | None) -> None:
        """``stored`` has the vectors of those words that have one in the store."""
        self._lexicon = lexicon
        self._stored = stored
        self._place = np.full(len(lexicon), -1, dtype=np.int32)
        """Where each word's vector is in the store; -1 where it is not."""
        if stored is not None:
            words, vectors = stored["words"], stored["vectors"]
            if len(words) != len(vectors) or (len(words) and not 0 <= words.min() <= words.max() < len(lexicon)):
                raise DamagedFileError(stored.path, "its arrays do not fit each other")
            self._place[words] = np.arange(len(words))
        self._made_place = np.full(len(lexicon), -1, dtype=np.int32)
        self._made: Half = np.zeros((0, 0), dtype=np.float16)
        self._lock = threading.Lock()

    def __call__(self, words: IntArray) -> Half:
        """The vectors of some words: [n, width]. Raises MissingExtraError where one is made and no encoder is installed."""
        place = self._place[words]
        other = np.flatnonzero(place < 0)
        if self._stored is not None and not len(other):
            return self._stored["vectors"][place]
        made = self._make(words[other])
        if self._stored is None or len(other) == len(words):
            return made
        found = self._stored["vectors"][np.maximum(place, 0)]
        found[other] = made
        return found

    def times(self, words: IntArray, directions: FloatArray) -> FloatArray:
        """The product of directions [k, width] with the vectors of some words: [k, n]. Raises what a call does."""
        multiply = Product(directions)
        place = self._place[words]
        if self._stored is not None and 2 * (place >= 0).sum() > len(self._stored["vectors"]):
            # Most of all that there are: quicker than to pick these out.
            if len(self._stored["vectors"]) <= WHOLE:
                found = multiply.single(self._whole)[:, np.maximum(place, 0)]
            else:
                vectors = self._stored["vectors"]
                parts = [multiply(vectors[start : start + AT_ONCE].copy()) for start in range(0, len(vectors), AT_ONCE)]
                found = np.concatenate(parts, axis=1)[:, np.maximum(place, 0)]
            words, here = words[place < 0], np.flatnonzero(place < 0)
        else:
            found = np.empty((len(directions), len(words)), dtype=np.float32)
            here = np.arange(len(words))
        for start in range(0, len(words), AT_ONCE):
            found[:, here[start : start + AT_ONCE]] = multiply(self(words[start : start + AT_ONCE]))
        return found

    @functools.cached_property
    def _whole(self) -> FloatArray:
        """All vectors of the store as they are multiplied: no cast for every label."""
        assert self._stored is not None
        return self._stored["vectors"].astype(np.float32)

    def _make(self, words: IntArray) -> Half:
        with self._lock:
            new = np.unique(words[self._made_place[words] < 0])
            if len(self._made) + len(new) > REMEMBERED:
                self._made_place[:] = -1
                self._made = self._made[:0]
                new = np.unique(words)
            if len(new):
                made = vectors_of([self._lexicon.spelled[word] for word in new.tolist()])
                self._made_place[new] = len(self._made) + np.arange(len(new))
                self._made = np.concatenate([self._made, made]) if len(self._made) else made
            return self._made[self._made_place[words]]


def vectors_of(words: Sequence[bytes], progress: Progress = tell) -> Half:
    """The vectors of words: those that this machine kept, and the others by the encoder: [n, width]."""
    from labeler.models.encoder import load_encoder

    kept = Kept(f"words-{ENCODER}")
    spelled = [word.decode() for word in words]
    found = {word: entry for word, entry in kept.get(spelled).items() if len(entry) == 2 * ENCODER_WIDTH}
    new = sorted({word for word in spelled if word not in found}, key=len)
    for start in range(0, len(new), _BATCH):
        progress("encoding words", start, len(new), "words")
        part = new[start : start + _BATCH]
        made = load_encoder().texts(part).astype(np.float16)
        entries = {word: vector.tobytes() for word, vector in zip(part, made, strict=True)}
        kept.put(entries)
        found.update(entries)
    if new:
        progress("encoding words", len(new), len(new), "words")
    return np.stack([np.frombuffer(found[word], dtype=np.float16) for word in spelled])


def write_vectors(folder: Path, lexicon: Lexicon, rows: Rows, progress: Progress = tell) -> None:
    """Write the vectors of all words that stand in the pool's contexts, as a file of a store."""
    used = np.zeros(len(lexicon) + 1, dtype=bool)
    pool = np.flatnonzero(rows.pool_place >= 0)
    used[lexicon.of(pool)] = True
    used[lexicon.further(pool)[1]] = True
    words = np.flatnonzero(used[:-1])
    if len(words):
        vectors = vectors_of([lexicon.spelled[int(word)] for word in words], progress)
        write_tensors(folder / VECTORS, {"words": words.astype(np.int32), "vectors": vectors})
