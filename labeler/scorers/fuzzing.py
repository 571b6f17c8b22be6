"""Fuzzing: do the marks in this context stand where the feature fires?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, FloatArray, Frame, IntArray, Splits
from labeler.scorers.asking import FEW, across_strength
from labeler.scorers.protocol import Questions
from labeler.scorers.yes_no import YesNoJudge

Marks = tuple[int, ...]
"""Positions of tokens, ascending."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A context as far as marks are concerned."""

    row: int
    """Its row in the frame."""
    active: Marks
    """The tokens on which the feature fires and that are not blank."""
    free: frozenset[int]
    """Those on which it is silent and that are not blank."""
    begins: tuple[bool, ...]
    """[n_tokens] whether each begins a word, or stands alone, rather than goes on with one."""


def sheets(store: EvidenceStore, frame: Frame, rows: IntArray) -> list[Sheet]:
    """The sheets of some rows of a frame."""
    return [sheet(int(row), store.rows.strings(int(frame.contexts[row])), frame.truth[row]) for row in rows]


def sheet(row: int, tokens: Sequence[str], truth: FloatArray) -> Sheet:
    """The sheet of a context: n tokens, their true activations [≥ n]."""
    seen = [at for at, token in enumerate(tokens) if token.strip()]
    before = ["", *tokens][: len(tokens)]
    return Sheet(
        row=row,
        active=tuple(at for at in seen if truth[at] > 0),
        free=frozenset(at for at in seen if not truth[at] > 0),
        begins=tuple(not (a[-1:].isalnum() and b[:1].isalnum()) for a, b in zip(before, tokens, strict=True)),
    )


def takes(one: Sheet, giver: Sheet) -> bool:
    """Whether a context can be shown with the marks of another, position for position, on tokens that are silent in it.

    The number of marks, their places and which of them touch then say nothing about whose they are. A mark that begins a
    word there begins one here, and one inside a word stands inside one: a mark that cuts a word in two would tell as well.
    """
    return one.free.issuperset(giver.active) and all(one.begins[at] == giver.begins[at] for at in giver.active)


def taker(giver: Sheet, sheets: Sequence[Sheet]) -> Sheet | None:
    """The first of the sheets that take another's marks and are most like it in length; None where none takes them."""
    able = [one for one in sheets if takes(one, giver)]
    return min(able, key=lambda one: abs(len(one.begins) - len(giver.begins)), default=None)


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
