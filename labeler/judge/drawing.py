"""Which contexts are asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from labeler.evidence.store import EvidenceStore
from labeler.features import Frame, IntArray
from labeler.judge.protocol import Questions

PER_DOCUMENT = 3
"""Contexts of one document among the firing ones, or among the silent ones, at most: they are no independent draws."""

FEW = "the feature fires in none of the contexts at hand that it may be scored on"


def across_strength(store: EvidenceStore, frame: Frame, n: int, rng: np.random.Generator) -> IntArray:
    """At most n firing rows of a frame, one from each of n equal slices by strength: [≤ n], strongest last.

    Of the top contexts alone, a label that fits nothing else would look right.
    """
    firing = rng.permutation(np.flatnonzero(frame.firing))
    kept = few_per_document(store, frame, firing, len(firing))
    kept = kept[np.argsort(frame.truth[kept].max(axis=1, initial=0.0), kind="stable")]
    if len(kept) <= n:
        return kept
    return np.array([rng.choice(slice_) for slice_ in np.array_split(kept, n)] if n else [], dtype=np.int64)


def few_per_document(store: EvidenceStore, frame: Frame, rows: Iterable[int], n: int) -> IntArray:
    """The first n of some rows of a frame that leave no document with more than PER_DOCUMENT."""
    seen: Counter[str] = Counter()
    found: list[int] = []
    for row in rows:
        if len(found) == n:
            break
        document = store.rows.document(int(frame.contexts[row]))
        seen[document] += 1
        if seen[document] <= PER_DOCUMENT:
            found.append(int(row))
    return np.array(found, dtype=np.int64)


def mixed(
    store: EvidenceStore, frame: Frame, yes: IntArray, no: IntArray, design: str, rng: np.random.Generator
) -> Questions:
    """Questions about two kinds of rows, in random order."""
    order = rng.permutation(len(yes) + len(no))
    return Questions(
        material=store.material(frame.contexts[np.r_[yes, no][order]]),
        truth=np.r_[np.ones(len(yes), np.int64), np.zeros(len(no), np.int64)][order],
        design=design,
    )
