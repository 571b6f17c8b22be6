"""A feature with too few documents for three purposes: labelled from either half of them, scored on the other.

The label that stands is made of all its evidence; of either half a label is made as well, and scored on the documents of
the other (cross-validation by halves, Stone 1974). The score is the mean of the two: what labels made in this way are
worth on text that their explainer did not see. A label of all the evidence is made of twice as much, so the mean is
rather too low than too high.

Where the explainer sees no pattern in one half, no label was made of it, and there is nothing to score on the other. That
is an answer ("unclear") and no label that predicts nothing: as a feature that is unclear has no score and is in no mean,
so this half has none. The score then stands on the half that there is, ``imprecise`` and out of means, which count it
(``ONE_HALF``): from one half alone the mean of both is not known, and to count the other as 0 would hold against the label
that stands what another label would have been. A label of a half that was made, and predicts nothing on the other, is as
undefined as any that predicts nothing. Where neither half has a label, nothing was scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from labeler.catalogue.records import BY_HALVES, CandidateRecord, ControlOutcome, LabelOutcome, ScoreRecord, ScoreState
from labeler.evidence.store.store import EvidenceStore
from labeler.metrics import ONE_HALF, TOO_FEW, doubt, few_first, mean_interval, why_imprecise
from labeler.metrics.comparison import known
from labeler.metrics.correlation import NO_INTERVAL
from labeler.pipeline.bench import Bench
from labeler.pipeline.config import RunConfig
from labeler.pipeline.evaluation import controls
from labeler.pipeline.scoring import EVERYTHING, UNCOUNTED

ONE_DOCUMENT = f"{TOO_FEW}: it fires in one document, which leaves nothing to score on"
"""Why there is no score of a feature one of whose halves is empty."""


def halves(bench: Bench) -> tuple[Bench, Bench]:
    """The tools of a run that explain one half of a feature's documents and score on the other."""
    one, other = (Bench(bench.config, bench.store.fold(half), bench.backends) for half in (0, 1))
    return one, other


def by_half(store: EvidenceStore, index: int, candidates: Sequence[CandidateRecord]) -> dict[int, CandidateRecord]:
    """Of a feature's candidates the one that was made of each half, as far as there are any."""
    found = {store.half_of(index, candidate.contexts or ()): candidate for candidate in reversed(candidates)}
    return {half: candidate for half, candidate in found.items() if half is not None}


def joined(whole: LabelOutcome, folds: Sequence[LabelOutcome], config: RunConfig) -> LabelOutcome:
    """What is found of a label that was made of all, by the outcomes of the two halves."""
    made = [outcome.candidates[outcome.chosen] for outcome in folds if outcome.chosen is not None]
    candidates = [*whole.candidates, *(one for one in made if one not in whole.candidates)]
    if whole.state != "labelled":
        return replace(whole, candidates=candidates)
    keys = dict.fromkeys(score.key for outcome in folds for score in outcome.scores)
    scores = [_mean(key, folds, config.precision) for key in keys or ([config.must] if config.must else [])]
    return replace(whole, candidates=candidates, scores=scores, controls=_controls(folds, config))


def _mean(key: str, folds: Sequence[LabelOutcome], precision: float) -> ScoreRecord:
    found = [next((score for score in outcome.scores if score.key == key), None) for outcome in folds]
    here = [score for score in found if score is not None]
    like = here[0] if here else ScoreRecord(key=key, state="undefined")
    prompt = {k: v for k, v in like.details.items() if k == "prompt"}
    whole = ScoreRecord(
        key=key,
        state="undefined",
        n_contexts=sum(score.n_contexts for score in here),
        simulator=like.simulator,
        sampling=f"{like.sampling}; {BY_HALVES}" if like.sampling else BY_HALVES,
        details={"folds": [None if score is None else asdict(score) for score in found], **prompt},
    )
    missing = [
        outcome.reason or "it has no such score" for outcome, score in zip(folds, found, strict=True) if score is None
    ]
    if ONE_DOCUMENT in missing:
        return replace(whole, reason=ONE_DOCUMENT)
    if not here:
        return replace(whole, state="unscored", reason=f"neither of its two halves has a label to score: {missing[0]}")
    if missing and like.state in ("ok", "imprecise", "undefined"):
        alone = {name: getattr(like, name) for name in ("value", "low", "high", "uniform_equivalent_n")}
        state: ScoreState = "undefined" if like.value is None else "imprecise"
        return replace(whole, state=state, reason=f"{ONE_HALF}; of the other: {missing[0]}", **alone)
    counted = all("firing" in score.details for score in here)
    firing, silent = (sum(int(score.details.get(name, 0)) for score in here) for name in ("firing", "silent"))
    for score in here:
        if score.value is None:
            why = f"one of its two halves: {score.reason}"
            return replace(whole, state=score.state, reason=few_first(why, firing, silent) if counted else why)
    value, low, high = mean_of_folds([(score.value, score.low, score.high) for score in here])  # type: ignore[misc]
    if low is None or high is None:
        return replace(whole, state="imprecise", value=value, reason=few_first(NO_INTERVAL, firing, silent))
    drawn = like.sampling not in (EVERYTHING, UNCOUNTED)
    reason = why_imprecise((high - low) / 2, precision, doubt(firing, silent, drawn) if counted else None)
    return replace(whole, state="imprecise" if reason else "ok", value=value, low=low, high=high, reason=reason)


def mean_of_folds(
    folds: Sequence[tuple[float, float | None, float | None]],
) -> tuple[float, float | None, float | None]:
    """The mean of correlations, each (value, low, high), with its interval; without one where a part has none."""
    ends = [(found, low, high) for found, low, high in folds if low is not None and high is not None]
    if len(ends) < len(folds):
        return sum(found for found, _, _ in folds) / len(folds), None, None
    value, low, high = mean_interval(ends)
    return value, max(-1.0, low), min(1.0, high)


def _controls(folds: Sequence[LabelOutcome], config: RunConfig) -> dict[str, Any] | None:
    found = [outcome.controls["lookup"] for outcome in folds if outcome.controls]
    if not found:
        return None
    control = ScoreRecord(key="lookup", state="undefined")
    if all(one["value"] is not None for one in found):
        value, low, high = mean_of_folds([(one["value"], one["low"], one["high"]) for one in found])
        control = replace(control, state="ok", value=value, low=low, high=high)
    between = [known(**one["difference"]) for one in found if one["difference"] is not None]
    parts = [one for one in between if one is not None]
    return controls(control, mean_interval(parts) if len(parts) == len(found) else None, config)


def is_by_halves(scores: Sequence[ScoreRecord]) -> bool:
    """Whether any of a feature's scores is the mean of two halves."""
    return any("folds" in score.details for score in scores)


def of_half(scores: Sequence[ScoreRecord], half: int) -> list[ScoreRecord]:
    """The scores of one half, out of the means that the catalogue keeps."""
    names = {field.name for field in fields(ScoreRecord)}
    stored = [score.details["folds"][half] for score in scores if "folds" in score.details]
    return [ScoreRecord(**{k: v for k, v in one.items() if k in names}) for one in stored if one is not None]


def nulls_of(score: ScoreRecord, outcomes: Sequence[ControlOutcome]) -> list[float | None] | None:
    """The foreign labels' mean scores over the halves that the score is of, one a label; None where one of them has none."""
    found = [
        next((one.details.get("null") for one in outcome.scores if one.key == score.key), None)
        for outcome, fold in zip(outcomes, score.details.get("folds", ()), strict=True)
        if fold is not None
    ]
    if not found or any(not null for null in found):
        return None
    return [float(np.mean([0.0 if v is None else v for v in pair])) for pair in zip(*found, strict=True)]
