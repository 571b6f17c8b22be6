"""Discrimination: is this a context of the feature, or of one close to it?"""

from __future__ import annotations

from itertools import chain, zip_longest

import numpy as np

from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Frame, IntArray, Splits
from labeler.scorers.asking import FEW, across_strength, few_per_document, mixed
from labeler.scorers.protocol import Questions
from labeler.scorers.yes_no import YesNoJudge


class DiscriminationJudge(YesNoJudge):
    """Tells the feature's contexts from those of its nearest neighbours, by the label.

    The firing contexts are drawn as detection draws them, so that what is lost from there to here is lost to harder
    negatives alone: contexts in which one of the nearest features fires and this one was looked up and is silent.
    Near-duplicates are no such neighbours, and contexts in which one fires are left out: they have the same meaning, no
    label can tell them apart, and what would be measured is where a threshold lies.
    """

    name = "discrimination"

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """At most n contexts: half firing, half a neighbour's, of each neighbour in turn; see the protocol."""
        rng = np.random.default_rng([seed, index])
        frame = store.frame(index, splits)
        firing = across_strength(store, frame, n // 2, rng)
        if not len(firing):
            return Questions.none(store, FEW)
        candidates = neighbours_rows(store, index, frame, rng)
        if not len(candidates):
            return Questions.none(
                store, "none of the nearest features fires in a context where this one was looked up and is silent"
            )
        near = few_per_document(store, frame, candidates, n // 2)
        return mixed(store, frame, firing, near, "half firing across strength, half a neighbour's", rng)


def neighbours_rows(store: EvidenceStore, index: int, frame: Frame, rng: np.random.Generator) -> list[int]:
    """The silent rows of a frame in which a neighbour fires and no near-duplicate does: of every neighbour one by turns,
    the closest first, in random order."""
    twins = set(store.near_duplicates(index))
    silent = np.flatnonzero(~frame.firing)
    where_twins = [firing_contexts(store, twin) for twin in sorted(twins)]
    if where_twins:
        silent = silent[~np.isin(frame.contexts[silent], np.concatenate(where_twins))]
    by_neighbour = [
        rng.permutation(silent[np.isin(frame.contexts[silent], firing_contexts(store, other))]).tolist()
        for other, _ in store.nearest(index)
        if other not in twins
    ]
    turns = chain.from_iterable(zip_longest(*by_neighbour))
    return list(dict.fromkeys(row for row in turns if row is not None))


def firing_contexts(store: EvidenceStore, index: int) -> IntArray:
    """The contexts at hand in which a feature fires, by their rows in the store."""
    found = store.read(index)
    return found.contexts[found.activations.any(axis=1)]
