"""One explanation of one feature, measured by everything that a run measures with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.catalogue.records import ScoreRecord, ScoreState
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SCORE, FloatArray, Splits
from labeler.llm.calls import merged
from labeler.llm.errors import LLMError, UnrecordedError
from labeler.llm.protocol import PendingError, Recorder
from labeler.metrics.comparison import Interval, dependence, difference, known, stored
from labeler.runs.bench import Bench
from labeler.runs.config import STANDING, RunConfig
from labeler.runs.judging import judge
from labeler.runs.scoring import UNCOUNTED, Sample, estimate, halved, of_explain, record, score, whole
from labeler.scorers import Judge
from labeler.simulators import Simulator, lookup


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

    What is made of it, ``labeler.catalogue.beside`` says.
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
