"""Judges that say yes or no of every context, and are scored by balanced accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import BaseModel, Field

from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.fence import marked, one_line
from labeler.llm.answers import at_most
from labeler.llm.protocol import Backend, Recorder
from labeler.metrics import Estimate, balanced_accuracy
from labeler.prompts import Load, load_prompt
from labeler.scorers.asking import Asker
from labeler.scorers.protocol import Answers, Questions

CONTEXTS_A_CALL = 10


class Verdict(BaseModel):
    """Yes or no to one context."""

    id: int
    yes: bool


class Verdicts(BaseModel):
    """One entry for every context that was asked about."""

    contexts: Annotated[list[Verdict], at_most(1_000)] = Field(description="every context, by its number")


def read(answer: BaseModel) -> list[tuple[int, int | None]]:
    """The verdicts as numbers."""
    assert isinstance(answer, Verdicts)
    return [(verdict.id, int(verdict.yes)) for verdict in answer.contexts]


class YesNoJudge(ABC):
    """What such judges share; which contexts they ask about is each one's own."""

    name: str
    free = False
    labelled = True
    chance = 0.5

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend cannot answer in a given form."""
        self._asker = Asker(self.name, backend, recorder, Verdicts, read, CONTEXTS_A_CALL, prompts)
        self.source = self._asker.source
        self.prompt: str | None = self._asker.prompt

    @abstractmethod
    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """See the protocol."""

    async def answers(self, text: str, questions: Questions) -> Answers:
        """See the protocol."""
        return await self._asker.ask(text, shown(questions))

    def value(self, questions: Questions, answers: Answers) -> float | None:
        """See the protocol."""
        return self.estimate(questions, answers, precision=1.0, seed=0).value

    def estimate(self, questions: Questions, answers: Answers, *, precision: float, seed: int) -> Estimate:
        """See the protocol; the interval needs no seed."""
        return balanced_accuracy(questions.truth, answers.said.astype(int), precision=precision)


def shown(questions: Questions) -> list[str]:
    """Every context as a prompt shows it: fenced, on one line, and marked where marks are asked about."""
    tokens = questions.material.tokens()
    if questions.marks is None:
        return [one_line("".join(context)) for context in tokens]
    return [
        marked(context, [int(at in marks) for at in range(len(context))])
        for context, marks in zip(tokens, questions.marks, strict=True)
    ]
