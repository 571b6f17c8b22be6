"""What predictions add up to, which is all that a correlation needs where a feature is silent.

The contexts of the pool are the same for every feature of a run, and so are the labels that its nulls are made of: what a
label's prediction adds up to on each of them is found once a process.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from labeler.evidence.store.store import EvidenceStore, Material
from labeler.features import FloatArray, Split

Sum = Callable[[Sequence[str], Material], FloatArray]
"""Σy and Σy² of the predictions of some texts on each context: [n_texts, n, 2]."""

REMEMBERED = 8_000_000
"""Sums that a process has in memory for each split and simulator; 64 MB: those of 1,000 labels on 8,000 contexts."""

AT_ONCE = 20
"""Texts that are predicted at a time."""


def sums(prediction: FloatArray) -> FloatArray:
    """Σy and Σy² over the tokens of each context: [..., n, length] -> [..., n, 2]."""
    return np.stack([prediction.sum(axis=-1), np.einsum("...l,...l->...", prediction, prediction)], axis=-1)


def on_contexts(make: Sum, texts: Sequence[str], material: Material) -> FloatArray:
    """The sums of texts on some contexts, [n_texts, n, 2]; those on the pool are looked up where they were made before."""
    found = np.empty((len(texts), len(material), 2), dtype=np.float32)
    rest = np.ones(len(material), dtype=bool)
    for split, here, place in material.in_pool():
        pool = _of_pool(make, material.store, split)
        if 2 * len(here) > len(pool):  # for fewer it is quicker to make theirs alone
            found[:, here] = pool(texts)[:, place]
            rest[here] = False
    if rest.any():
        some = Material(material.store, material.at[rest])
        for start in range(0, len(texts), AT_ONCE):
            found[start : start + AT_ONCE, rest] = make(texts[start : start + AT_ONCE], some)
    return found


def note(make: Sum, texts: Sequence[str], material: Material, predictions: FloatArray) -> None:
    """Have the sums of predictions [n_texts, n, length] on all of the pool of a split, so that they need not be made."""
    for split, here, place in material.in_pool():
        pool = _of_pool(make, material.store, split)
        if len(here) == len(pool):
            pool.note(texts, sums(predictions[:, here[np.argsort(place)]]))


class _OfPool:
    """The sums of labels over the pool's contexts of one split."""

    def __init__(self, make: Sum, material: Material) -> None:
        self._make = make
        self._material = material
        self._known: dict[str, FloatArray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many contexts there are."""
        return len(self._material)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """[n_texts, n, 2]"""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if text not in self._known]
            found = {text: self._known[text] for text in texts if text in self._known}
            for start in range(0, len(new), AT_ONCE):
                part = new[start : start + AT_ONCE]
                found.update(zip(part, self._make(part, self._material), strict=True))
            self._keep(found)
        return np.stack([found[text] for text in texts])

    def note(self, texts: Sequence[str], found: FloatArray) -> None:
        """Sums [n_texts, n, 2] that were made elsewhere."""
        with self._lock:
            self._keep(dict(zip(texts, found, strict=True)))

    def _keep(self, found: Mapping[str, FloatArray]) -> None:
        self._known.update(found)
        room = REMEMBERED // max(1, 2 * len(self._material))
        for oldest in list(self._known)[: max(0, len(self._known) - room)]:
            del self._known[oldest]


@functools.lru_cache(maxsize=6)
def _of_pool(make: Sum, store: EvidenceStore, split: Split) -> _OfPool:
    return _OfPool(make, store.material(store.pool(split)))
