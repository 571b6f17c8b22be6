"""Embedding AUC: does a sentence encoder find a firing context closer to the label than a silent one?"""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from labeler.errors import MissingExtraError
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.metrics import Estimate, area, auc
from labeler.models.names import MINILM, encoder_available
from labeler.scorers.protocol import Answers, Questions
from labeler.simulators.embedding import context_guide

# A sibling of this package: the label's vector and the contexts' means are the very ones that guide a draw.


class EmbeddingJudge:
    """Ranks everything at hand by the cosine of a context's mean state with the label's vector.

    After the embedding score of Paulo et al. (arXiv 2410.13928). Where the corpus was counted, contexts weigh as many as
    they stand for, so that the area is that of the corpus.
    """

    name = "embedding_auc"
    source = MINILM
    free = True
    prompt: str | None = None
    labelled = True
    chance = 0.5

    def __init__(self) -> None:
        """Raises MissingExtraError where the encoder cannot run."""
        if not encoder_available():
            raise MissingExtraError(f"the sentence encoder '{MINILM}'", "local")

    def questions(self, store: EvidenceStore, index: int, n: int, seed: int, splits: Splits = SCORE) -> Questions:
        """All contexts of the splits; nothing is drawn. See the protocol."""
        frame = store.frame(index, splits)
        counted = store.manifest.sampling == "population"
        if not frame.firing.any() or frame.firing.all():
            lacking = "silent" if frame.firing.any() else "firing"
            return Questions.none(store, f"no {lacking} context that it may be scored on is at hand")
        return Questions(
            material=store.material(frame.contexts),
            truth=frame.firing.astype(np.int64),
            design="everything at hand" if counted else "top-and-random",
            weight=frame.weight if counted else None,
            stratum=frame.stratum,
        )

    async def answers(self, text: str, questions: Questions) -> Answers:
        """See the protocol."""
        return Answers(said=await asyncio.to_thread(context_guide, text, questions.material))

    def value(self, questions: Questions, answers: Answers) -> float | None:
        """See the protocol."""
        return area(questions.truth == 1, answers.said, weights(questions))

    def estimate(self, questions: Questions, answers: Answers, *, precision: float, seed: int) -> Estimate:
        """See the protocol."""
        stratum = questions.truth if questions.stratum is None else questions.stratum
        return auc(questions.truth == 1, answers.said, weights(questions), stratum, precision=precision, seed=seed)


def weights(questions: Questions) -> NDArray[np.float64]:
    """[n] what each context counts."""
    return np.ones(len(questions)) if questions.weight is None else questions.weight
