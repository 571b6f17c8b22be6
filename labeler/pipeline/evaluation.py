"""One explanation of one feature, evaluated by every simulator and scorer of the run, the look-up of tokens beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.catalogue.records import ScoreRecord, ScoreState
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, FloatArray, Splits
from labeler.llm.calls import merged, together
from labeler.llm.errors import LLMError, MalformedError, RefusedError, TruncatedError, UnrecordedError
from labeler.llm.protocol import PendingError, Recorder
from labeler.metrics import Estimate, guessing_percentile
from labeler.metrics.comparison import Interval, dependence, difference, known, stored
from labeler.pipeline.bench import Bench
from labeler.pipeline.config import STANDING, RunConfig
from labeler.pipeline.scoring import UNCOUNTED, Sample, estimate, halved, of_explain, record, said, score, whole
from labeler.scorers import Answers, Judge, Questions
from labeler.simulators import Simulator, lookup

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


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run finds of a label."""

    scores: list[ScoreRecord]
    controls: dict[str, Any] | None
    """None where those that stood before are still right: nothing was simulated."""


async def measure(
    bench: Bench, index: int, text: str, on_select: Sample, recorder: Recorder, splits: Splits = SCORE
) -> Measured:
    """Score an explanation by the run's simulators and judges, and the look-up of tokens beside it, on some splits.

    Where the headline cannot be had after all retries, LLMError: the feature has failed and may be tried again. Any
    other score that cannot be had is a record of its own, in the state ``failed`` with the reason; so is the headline,
    in the state ``unscored``, where a recording has no answer. PendingError names all that has to be answered before any
    of the scores can go on.
    """
    store, config = bench.store, bench.config
    everything = await asyncio.to_thread(whole, store, index, splits)
    calibration = None if "select" in splits else on_select
    scores: list[ScoreRecord] = []
    of_headline, predicted = everything, None

    def keep(found: list[ScoreRecord], error: LLMError | None = None) -> None:
        """At once, so that nothing more is paid for a label without its headline."""
        for one in found:
            if one.key == config.must and one.state == "failed":
                raise error or LLMError(one.reason or "it gave nothing usable")
        scores.extend(found)

    later: list[PendingError] = []
    for place, simulator in enumerate(bench.simulators(recorder)):
        try:
            sampled, prediction, found = await score(simulator, text, index, everything, calibration, config)
        except PendingError as error:
            later.append(error)
        except LLMError as error:
            keep([_missing(config.key(simulator.name), simulator, error)], error)
        else:
            if not place:
                of_headline, predicted = sampled, prediction
            keep(found)
    for judging in bench.judges(recorder):
        try:
            found = [await judge(judging, text, store, index, config, splits)]
        except PendingError as error:
            later.append(error)
        except LLMError as error:
            keep([_missing(judging.name, judging, error)], error)
        else:
            keep(found)
    if later:
        raise merged(later)
    if config.labels == STANDING and not config.simulators:
        return Measured(scores=scores, controls=None)
    # On the same contexts as the headline, so that the two can be compared.
    control, table = await asyncio.to_thread(look_up, store, index, of_headline, config)
    headline = next((one for one in scores if one.key == config.headline), None)
    between = None
    if headline is not None and predicted is not None:
        between = await asyncio.to_thread(compared, headline, control, of_headline, predicted, table)
    return Measured(scores=scores, controls=controls(control, between, config))


async def unfit(bench: Bench, index: int, reason: str, recorder: Recorder) -> Measured:
    """What a run finds of a label that its scores would do no justice: they are ``unscored`` for a reason.

    A judge that is not told the label judges the feature all the same.
    """
    config = bench.config
    design = UNCOUNTED if config.sampling == UNCOUNTED else None
    scores = [_unscored(config.key(one.name), one, reason, design) for one in bench.simulators(recorder)]
    for judging in bench.judges(recorder):
        try:
            found = None if judging.labelled else await judge(judging, "", bench.store, index, config)
        except LLMError as error:
            found = _missing(judging.name, judging, error)
        scores.append(found or _unscored(judging.name, judging, reason, design))
    return Measured(scores=scores, controls=None)


def _unscored(key: str, scorer: Simulator | Judge, reason: str, design: str | None) -> ScoreRecord:
    return ScoreRecord(key=key, state="unscored", reason=reason, simulator=scorer.source, sampling=design)


def controls(control: ScoreRecord, between: Interval | None, config: RunConfig) -> dict[str, Any]:
    """What the look-up of tokens scores, beside which score, and by how much that is better, with its interval.

    What is made of it, ``labeler.catalogue.report`` says.
    """
    value = {"value": control.value, "low": control.low, "high": control.high}
    return {"lookup": {**value, "of": config.headline, "difference": stored(between)}}


def compared(
    headline: ScoreRecord, control: ScoreRecord, sampled: Sample, predicted: FloatArray, table: FloatArray
) -> Interval | None:
    """The headline less the look-up, by both predictions of the same contexts; None where either is undefined."""
    one, other = (known(each.value, each.low, each.high) for each in (headline, control))
    if one is None or other is None:
        return None
    frame = sampled.frame
    drawn = sampled.drawn
    together = dependence(frame.truth, predicted, table, frame.lengths, frame.weight, frame.stratum, drawn=drawn)
    return difference(one, other, together)


def look_up(store: EvidenceStore, index: int, sampled: Sample, config: RunConfig) -> tuple[ScoreRecord, FloatArray]:
    """The control that every label is held against: a table of tokens fitted on ``explain``, scored on a sample; and what
    it predicts there.

    Where that has contexts of ``explain`` too, these are predicted by a table of the other documents.
    """
    store = halved(store, index)
    ids, explain = sampled.material.ids, of_explain(store, index, sampled)
    prediction = np.zeros(ids.shape, dtype=np.float32)
    halves: list[tuple[NDArray[np.bool_], Splits]] = [(~explain, ("explain",)), (explain, ("select", "score"))]
    for half, others in halves:
        if half.any():
            fitted = whole(store, index, others)
            prediction[half] = lookup.predict(lookup.fit(fitted.frame, fitted.material.ids), ids[half])
    return record("lookup", "lookup", estimate(sampled, prediction, config), sampled.design), prediction


def _missing(key: str, scorer: Simulator | Judge, error: LLMError) -> ScoreRecord:
    details = {} if scorer.prompt is None else {"prompt": scorer.prompt}
    state: ScoreState = "unscored" if isinstance(error, UnrecordedError) else "failed"
    return ScoreRecord(key=key, state=state, reason=str(error), simulator=scorer.source, details=details)
