"""Detection: is this a context in which the feature fires?"""

from __future__ import annotations

import numpy as np

from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.scorers.asking import FEW, across_strength, few_per_document, mixed
from labeler.scorers.protocol import Questions
from labeler.scorers.yes_no import YesNoJudge


class DetectionJudge(YesNoJudge):
    """Tells contexts in which the feature fires from ordinary ones in which it is silent, by the label.

    After the detection score of Paulo et al. (arXiv 2410.13928); it sees whole contexts and so cannot tell a label from
    a broader one that fires in the same places.
    """

    name = "detection"

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """At most n contexts: half firing, over the whole range of strength, half silent, drawn uniformly; see the protocol."""
        rng = np.random.default_rng([seed, index])
        frame = store.frame(index, splits)
        firing = across_strength(store, frame, n // 2, rng)
        if not len(firing):
            return Questions.none(store, FEW)
        silent = few_per_document(store, frame, rng.permutation(np.flatnonzero(~frame.firing)), n // 2)
        if not len(silent):
            return Questions.none(store, "no context that it may be scored on was looked up and found silent")
        return mixed(store, frame, firing, silent, "half firing across strength, half silent", rng)
