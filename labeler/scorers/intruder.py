"""Intruder: which of five marked contexts does not belong? The judge is not told the label."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.llm.answers import at_most
from labeler.llm.protocol import Backend, Recorder
from labeler.metrics import Estimate, share
from labeler.prompts import Load, load_prompt
from labeler.scorers.asking import Asker, across_strength, few_per_document
from labeler.scorers.fuzzing import Sheet, sheets, taker, takes
from labeler.scorers.protocol import Answers, Questions
from labeler.scorers.yes_no import shown

CONTEXTS_A_SET = 5
SETS_A_CALL = 4
CANDIDATES = 10
"""Silent contexts that are looked at for every set, for one that can take the marks."""


class Choice(BaseModel):
    """The odd one of a set."""

    id: int
    odd: int = Field(description="the number of the context that does not belong")


class Choices(BaseModel):
    """One entry for every set that was asked about."""

    sets: Annotated[list[Choice], at_most(1_000)]


def read(answer: BaseModel) -> list[tuple[int, int | None]]:
    """The places of the odd ones, from 0."""
    assert isinstance(answer, Choices)
    return [(one.id, one.odd - 1 if 1 <= one.odd <= CONTEXTS_A_SET else None) for one in answer.sets]


class IntruderJudge:
    """Finds, among four contexts that are marked where the feature fires, a fifth in which it is silent.

    It measures whether the feature has a thread that a reader can see, whatever its label: the upper end of what any
    label can do. After the intruder test of topic models (Chang et al. 2009). The marks of the fifth are those of
    another firing context, position for position, so that marks without text are exchangeable. The place of the odd one
    is drawn uniformly: a judge that sees no thread, whatever its habits, is right one time in five, which is why the null
    is that chance and nobody is paid to measure it on sets without a thread.
    """

    name = "intruder"
    free = False
    labelled = False
    chance = 1 / CONTEXTS_A_SET

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend cannot answer in a given form."""
        self._asker = Asker(self.name, backend, recorder, Choices, read, SETS_A_CALL, prompts)
        self.source = self._asker.source
        self.prompt: str | None = self._asker.prompt

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """At most n / 2 sets, no context in two of them: 40 are enough for ±.15 whatever the share.

        See the protocol.
        """
        rng = np.random.default_rng([seed, index])
        frame = store.frame(index, splits)
        firing = CONTEXTS_A_SET - 1
        drawn = rng.permutation(across_strength(store, frame, len(frame), rng))
        silent = rng.permutation(np.flatnonzero(~frame.firing))
        quiet = sheets(store, frame, few_per_document(store, frame, silent, CANDIDATES * (n // 2)))
        # Marks that no silent context can take would never be the odd one's, and so would give the others away.
        able = [
            one
            for one in sheets(store, frame, drawn)
            if one.active and any(takes(candidate, one) for candidate in quiet)
        ]
        n_sets = min(n // 2, (len(able) - 1) // firing)  # one more than shown, to take marks from
        if n_sets < 1:
            return Questions.none(
                store,
                f"only {len(able)} firing contexts that it may be scored on have marks that a silent one can take; "
                f"it takes {firing + 1}",
            )
        found: list[tuple[list[Sheet], int]] = []
        marks: list[tuple[int, ...]] = []
        for at in range(n_sets):
            members = able[firing * at : firing * (at + 1)]
            others = [one for one in able if one not in members]
            giver = others[rng.integers(len(others))]
            odd = taker(giver, quiet)
            if odd is None:  # the ones that could are used up
                continue
            quiet.remove(odd)
            place = int(rng.integers(CONTEXTS_A_SET))
            found.append(([*members[:place], odd, *members[place:]], place))
            marks += [giver.active if one is odd else one.active for one in found[-1][0]]
        return Questions(
            material=store.material(frame.contexts[[one.row for members, _ in found for one in members]]),
            truth=np.array([place for _, place in found], dtype=np.int64),
            marks=tuple(marks),
            design="four firing contexts across strength and a silent one",
        )

    async def answers(self, text: str, questions: Questions) -> Answers:
        """See the protocol; the explanation is not read."""
        contexts = shown(questions)
        sets = [contexts[at : at + CONTEXTS_A_SET] for at in range(0, len(contexts), CONTEXTS_A_SET)]
        return await self._asker.ask("", sets)

    def value(self, questions: Questions, answers: Answers) -> float | None:
        """See the protocol."""
        return self.estimate(questions, answers, precision=1.0, seed=0).value

    def estimate(self, questions: Questions, answers: Answers, *, precision: float, seed: int) -> Estimate:
        """The share of sets whose odd one was found; see the protocol."""
        return share(questions.truth, answers.said.astype(int), precision=precision)
