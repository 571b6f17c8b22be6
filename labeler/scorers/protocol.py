"""What every judge does: answer questions about contexts, of which the truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store.store import EvidenceStore, Material
from labeler.features import SCORE, IntArray, Splits
from labeler.metrics import Estimate


@dataclass(frozen=True, eq=False, kw_only=True)
class Questions:
    """What is asked about one feature, in the order in which it is asked, and what is true.

    All contexts are of the splits that were asked for. One that counts as silent was looked up and found so.
    """

    material: Material
    """The contexts; where a question shows several, they stand next to one another."""
    truth: IntArray
    """[n] the right answer to each question: 1 for yes and 0 for no, or the place of the odd one, from 0."""
    design: str
    """How the contexts were drawn, as the catalogue says it."""
    marks: tuple[tuple[int, ...], ...] | None = None
    """The tokens that are shown marked, context by context, by position; None where nothing is."""
    weight: NDArray[np.float64] | None = None
    """[n] the contexts of the corpus that each one stands for; None where they stand for themselves alone."""
    stratum: IntArray | None = None
    """[n] 0 where silent, else the stratum of activation; for judges that draw nothing."""
    reason: str | None = None
    """Why there are no questions, where there are none."""

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def none(cls, store: EvidenceStore, reason: str) -> Questions:
        """Nothing can be asked."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(material=store.material(nothing), truth=nothing, design="", reason=reason)


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What a judge said."""

    said: NDArray[np.float64]
    """[n] an answer to each question, in the form of its truth; of a judge that ranks, any number."""
    asked_again: int = 0
    """Questions that were put more than once, for an answer had left them out or made no sense."""


class Judge(Protocol):
    """Says of contexts whether an explanation speaks of them, or which of them does not belong."""

    name: str
    """The method, and its score's key."""
    source: str
    """Which model does it, as the user named it."""
    free: bool
    """Whether an answer costs next to nothing, so that everything at hand is asked about."""
    prompt: str | None
    """``name@version`` of the prompt that it asks with."""
    labelled: bool
    """Whether it is told the explanation; one that is not judges the feature itself."""
    chance: float
    """What guessing scores."""

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """The questions about a feature, the same for the same seed; about ``n`` contexts of some splits where asking costs.

        Raises InputError where there is no such feature.
        """
        ...

    async def answers(self, text: str, questions: Questions) -> Answers:
        """An answer to every question. Raises LLMError where some stay without a usable one."""
        ...

    def value(self, questions: Questions, answers: Answers) -> float | None:
        """The score alone; None where it is undefined."""
        ...

    def estimate(self, questions: Questions, answers: Answers, *, precision: float, seed: int) -> Estimate:
        """The score with its 95 % interval."""
        ...
