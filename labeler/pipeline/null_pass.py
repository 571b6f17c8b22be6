"""The second thing that happens to a feature, once all have labels: its null."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeler.catalogue.labels import CARRIED, ENOUGH, reading
from labeler.catalogue.records import ChosenLabel, ControlOutcome, ScoreRecord
from labeler.features import Explanation, Splits
from labeler.llm.calls import merged, together
from labeler.llm.errors import LLMError
from labeler.llm.protocol import PendingError, Recorder
from labeler.metrics import null_mean, null_percentile
from labeler.pipeline.bench import Bench
from labeler.pipeline.config import PaidNull
from labeler.pipeline.cross_fitting import halves, is_by_halves, nulls_of, of_half
from labeler.pipeline.evaluation import foreign_judgements, questions
from labeler.pipeline.scoring import Sample, again, foreign_scores, splits_of, whole

FREE_FOREIGN = 40
"""Foreign labels that a simulator or judge which costs nothing is tried with, at most."""

NULL_POOL = 1_000
"""Labels of a run that foreign ones are taken from; in a larger run a random sample of them stands for all."""


@dataclass(frozen=True, eq=False)
class RunLabels:
    """The chosen labels of a run, read once for the controls of all its features."""

    by_index: Mapping[int, ChosenLabel]
    pool: Sequence[ChosenLabel]

    @classmethod
    def of(cls, labels: Sequence[ChosenLabel]) -> RunLabels:
        """All of them by index, and at most NULL_POOL to compare with, in index order.

        A group of near-duplicates has one label among these, and so have labels that read the same: a large group would
        else be most of every null.
        """
        groups: set[int] = set()
        readings: set[str] = set()
        pool = []
        for label in labels:
            group, read = group_of(label), reading(label.label)
            if group not in groups and read not in readings:
                pool.append(label)
                groups.add(group)
                readings.add(read)
        if len(pool) > NULL_POOL:
            places = np.random.default_rng(0).choice(len(pool), NULL_POOL, replace=False)
            pool = [pool[int(place)] for place in np.sort(places)]
        return cls({label.index: label for label in labels}, pool)

    def foreign(self, own: ChosenLabel, seed: int) -> list[str]:
        """What others' labels say, in random order: those outside a label's near-duplicates that read differently.

        Of those that speak of the same side: what another feature promotes is no rival for what makes this one fire.
        """
        group, read = group_of(own), reading(own.label)
        rivals = [label for label in self.pool if label.side == own.side]
        others = [label for label in rivals if group_of(label) != group and reading(label.label) != read]
        return [text_of(others[i]) for i in np.random.default_rng([seed, own.index]).permutation(len(others))]


def group_of(label: ChosenLabel) -> int:
    """The smallest index of a feature's near-duplicates, itself included: every one of a group lists all the others."""
    return min((label.index, *label.near_duplicates))


def text_of(label: ChosenLabel) -> str:
    """What is simulated of a chosen label."""
    return Explanation(label=label.label, description=label.description, explainer="").text


async def control(
    bench: Bench,
    index: int,
    labels: RunLabels,
    scores: Sequence[ScoreRecord],
    paid: PaidNull,
    recorder: Recorder,
) -> ControlOutcome:
    """Score labels of other features on this one's contexts, and say how many of them its own label beats.

    A paid simulator or judge is asked about no more than ``paid`` says, so that the null costs a fixed share of a run. A
    judge that is not told the label has no foreign ones; its null came with its score. Where a model gave nothing
    usable that null alone is missing, and the controls say so. A score that another run made has its place already.
    """
    scores = [score for score in scores if CARRIED not in score.details]
    if not is_by_halves(scores):
        return await _control(bench, index, labels, scores, paid, recorder)
    outcomes = await together(
        _control(fold, index, labels, of_half(scores, half), paid, recorder) for half, fold in enumerate(halves(bench))
    )
    updated = [placed(score, null) for score in scores if (null := nulls_of(score, outcomes))]
    return ControlOutcome(scores=updated, controls=next((o.controls for o in outcomes if o.controls), {}))


async def _control(
    bench: Bench,
    index: int,
    labels: RunLabels,
    scores: Sequence[ScoreRecord],
    paid: PaidNull,
    recorder: Recorder,
) -> ControlOutcome:
    own = labels.by_index.get(index)
    if own is None:
        return ControlOutcome(controls={"null": {"failed": "the feature's own label was not found"}})
    config, texts = bench.config, labels.foreign(own, bench.config.seed)
    made = {score.key: score for score in scores if score.state not in ("failed", "unscored")}

    def wanted(free: bool) -> list[str]:
        if free:
            return texts[:FREE_FOREIGN]
        return texts[: paid.labels] if index in paid.features else []

    updated: list[ScoreRecord] = []
    missing: list[str] = []
    later: list[PendingError] = []
    samples: dict[Splits, Sample] = {}
    for simulator in bench.simulators(recorder):
        score = made.get(config.key(simulator.name))
        if score is not None and (some := wanted(simulator.free)):
            splits = splits_of(score)
            if splits not in samples:
                samples[splits] = await asyncio.to_thread(whole, bench.store, index, splits)
            try:
                updated.append(placed(score, await foreign_scores(simulator, some, again(samples[splits], score))))
            except PendingError as error:
                later.append(error)
            except LLMError as error:
                missing.append(f"{score.key}: {error}")
    for judge in bench.judges(recorder):
        score = made.get(judge.name)
        if score is not None and judge.labelled and (some := wanted(judge.free)):
            asked = await questions(judge, bench.store, index, config, splits_of(score))
            try:
                updated.append(placed(score, await foreign_judgements(judge, some, asked)))
            except PendingError as error:
                later.append(error)
            except LLMError as error:
                missing.append(f"{score.key}: {error}")
    if later:
        raise merged(later)
    return ControlOutcome(scores=updated, controls={"null": {"failed": "; ".join(missing)}} if missing else {})


def placed(score: ScoreRecord, null: Sequence[float | None]) -> ScoreRecord:
    """A score with its place among those of other features' labels, where they are enough to say it."""
    return dataclasses.replace(
        score,
        null_percentile=null_percentile(score.value, null) if len(null) >= ENOUGH else None,
        null_mean=null_mean(null),
        details={**score.details, "null": [None if value is None else round(value, 6) for value in null]},
    )
