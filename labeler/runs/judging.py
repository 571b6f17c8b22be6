"""One explanation of one feature, judged by one scorer on the score split."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from labeler.catalogue.records import ScoreRecord
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, Splits
from labeler.llm.calls import together
from labeler.llm.errors import MalformedError, RefusedError, TruncatedError
from labeler.metrics import Estimate, guessing_percentile
from labeler.runs.config import RunConfig
from labeler.runs.scoring import record, said
from labeler.scorers import Answers, Judge, Questions

AT_ONCE = 8
"""Foreign labels that are judged at a time."""


async def questions(
    judge: Judge, store: EvidenceStore, index: int, config: RunConfig, splits: Splits = SCORE
) -> Questions:
    """What a judge is asked about a feature: the same in every pass of a run, about ``config.contexts`` contexts."""
    return await asyncio.to_thread(judge.questions, store, index, config.contexts, config.seed, splits)


async def judge(
    scorer: Judge, text: str, store: EvidenceStore, index: int, config: RunConfig, splits: Splits = SCORE
) -> ScoreRecord:
    """The score of an explanation; with what was asked and answered, so that it can be computed again.

    ``unscored`` where nothing can be asked, ``failed`` where the judge gave nothing usable however often it was asked:
    neither takes the label and its other scores with it. Raises the LLMErrors of a provider that did not answer at all.
    """
    asked = await questions(scorer, store, index, config, splits)
    if asked.reason is not None:
        nothing = Estimate(n_contexts=0, state="unscored", reason=asked.reason)
        return _record(scorer, asked, nothing, None, splits)
    try:
        answered = await scorer.answers(text, asked)
    except (MalformedError, RefusedError, TruncatedError) as error:
        return _record(scorer, asked, Estimate(n_contexts=len(asked), state="failed", reason=str(error)), None, splits)
    found = await asyncio.to_thread(
        lambda: scorer.estimate(asked, answered, precision=config.precision, seed=config.seed)
    )
    return _record(scorer, asked, found, answered, splits)


async def foreign_judgements(scorer: Judge, texts: Sequence[str], asked: Questions) -> list[float | None]:
    """The scores of other features' explanations on the same questions, in order, a few at a time.

    None where the score is undefined. Raises LLMError where the judge gave nothing usable.
    """
    values: list[float | None] = []
    for start in range(0, len(texts), AT_ONCE):
        answers = await together(scorer.answers(text, asked) for text in texts[start : start + AT_ONCE])
        values += await asyncio.to_thread(lambda found: [scorer.value(asked, one) for one in found], answers)
    return values


def _record(scorer: Judge, asked: Questions, found: Estimate, answered: Answers | None, splits: Splits) -> ScoreRecord:
    details = said(splits) | ({} if scorer.prompt is None else {"prompt": scorer.prompt})
    if answered is not None and not scorer.free:  # what was paid for is kept
        details |= {
            "contexts": asked.material.at.tolist(),
            "truth": asked.truth.tolist(),
            "answers": answered.said.astype(int).tolist(),
            "asked_again": answered.asked_again,
        }
        if asked.marks is not None:
            details["marks"] = [list(marks) for marks in asked.marks]
    null_mean = null_percentile = None
    if not scorer.labelled and found.value is not None:  # no label, so no other's: the null is what guessing does
        null_mean = scorer.chance
        null_percentile = guessing_percentile(round(found.value * len(asked)), len(asked), scorer.chance)
    made = record(scorer.name, scorer.source, found, asked.design or None, **details)
    return replace(made, null_mean=null_mean, null_percentile=null_percentile)
