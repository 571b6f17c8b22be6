"""Fuzzing: do the marks in this context stand where the feature fires?"""

from __future__ import annotations

import numpy as np

from labeler.evidence.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.judge.drawing import FEW, across_strength
from labeler.judge.marking import Sheet, sheets, taker
from labeler.judge.protocol import Questions
from labeler.judge.yes_no import YesNoJudge


class FuzzingJudge(YesNoJudge):
    """Tells marks on the tokens on which the feature fires from the same marks on others, by the label.

    After the fuzzing score of Paulo et al. (arXiv 2410.13928). All contexts are firing ones, each in one class only. A
    wrongly marked one has the marks of a rightly marked one, position for position, on tokens that are silent in it: of
    every pattern there is one right and one wrong, so that marks alone, without the text, give nothing away.
    """

    name = "fuzzing"

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """At most n contexts in pairs, right and wrong, over the whole range of strength; see the protocol.

        White space is never marked; a context that fires on nothing else is left out.
        """
        rng = np.random.default_rng([seed, index])
        frame = store.frame(index, splits)
        drawn = rng.permutation(across_strength(store, frame, len(frame), rng))
        if not len(drawn):
            return Questions.none(store, FEW)
        left = [one for one in sheets(store, frame, drawn) if one.active]
        pairs: list[tuple[Sheet, Sheet]] = []
        for right in list(left):
            if right not in left or len(pairs) == n // 2:
                continue
            wrong = taker(right, left)  # never itself: its marks are where it fires
            if wrong is not None:
                pairs.append((right, wrong))
                left = [one for one in left if one is not right and one is not wrong]
        if not pairs:
            return Questions.none(
                store, "in no firing context can the marks of another stand on tokens that are silent and not blank"
            )
        order = rng.permutation(2 * len(pairs))
        rows = [one.row for pair in pairs for one in pair]
        return Questions(
            material=store.material(frame.contexts[rows][order]),
            truth=(np.arange(2 * len(pairs)) % 2 == 0).astype(np.int64)[order],
            marks=tuple(pairs[at // 2][0].active for at in order),
            design="firing contexts across strength, half with the marks of another",
        )
