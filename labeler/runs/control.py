"""The second thing that happens to a feature, once all have labels: its null."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labeler.catalogue.records import ChosenLabel, ControlOutcome, ScoreRecord
from labeler.features import Explanation
from labeler.llm.protocol import Recorder
from labeler.runs.bench import Bench
from labeler.runs.scoring import again, foreign_scores, whole
from labeler.score import null_mean, null_percentile

FREE_FOREIGN = 40
"""Foreign labels that a simulator which costs nothing is tried with, at most."""

OWN_NULL = 20
"""A null of fewer labels says too little of one feature: its percentile is read off the run's pooled null."""


NULL_POOL = 1_000
"""Labels of a run that foreign ones are taken from; in a larger run a random sample of them stands for all."""


@dataclass(frozen=True, eq=False)
class RunLabels:
    """The chosen labels of a run, read once for the controls of all its features."""

    by_index: Mapping[int, ChosenLabel]
    pool: Sequence[ChosenLabel]

    @classmethod
    def of(cls, labels: Sequence[ChosenLabel]) -> RunLabels:
        """All of them by index, and at most NULL_POOL to compare with, in index order."""
        if len(labels) <= NULL_POOL:
            pool = labels
        else:
            places = np.random.default_rng(0).choice(len(labels), NULL_POOL, replace=False)
            pool = [labels[int(place)] for place in np.sort(places)]
        return cls({label.index: label for label in labels}, pool)


def text_of(label: ChosenLabel) -> str:
    """What is simulated of a chosen label."""
    return Explanation(label=label.label, description=label.description, explainer="").text


async def control(
    bench: Bench,
    index: int,
    labels: RunLabels,
    scores: Sequence[ScoreRecord],
    null_sample: Sequence[int],
    recorder: Recorder,
) -> ControlOutcome:
    """Score labels of other features on this one's contexts, and say how many of them its own label beats.

    A foreign label comes from outside the feature's near-duplicates and reads differently. A paid simulator is asked
    only for the features of ``null_sample``, so that the null of a run costs a fixed sum.
    """
    own = labels.by_index.get(index)
    if own is None:
        return ControlOutcome(controls={"null": {"failed": "the feature's own label was not found"}})
    near = {index, *own.near_duplicates}
    foreign = {
        text_of(label): None for label in labels.pool if label.index not in near and index not in label.near_duplicates
    }
    foreign.pop(text_of(own), None)
    known = list(foreign)
    texts = [known[i] for i in np.random.default_rng([bench.config.seed, index]).permutation(len(known))]

    updated: list[ScoreRecord] = []
    by_key = {score.key: score for score in scores}
    everything = await asyncio.to_thread(whole, bench.store, index, "score")
    for simulator in bench.simulators(recorder):
        score = by_key.get(bench.config.key(simulator.name))
        if score is None or not texts or (not simulator.free and index not in null_sample):
            continue
        sampled = again(everything, score)
        wanted = texts[: FREE_FOREIGN if simulator.free else bench.config.foreign]
        values = await foreign_scores(simulator, wanted, sampled)
        updated.append(
            dataclasses.replace(
                score,
                null_percentile=null_percentile(score.value, values) if len(values) >= OWN_NULL else None,
                null_mean=null_mean(values),
                details={**score.details, "null": [None if v is None else round(v, 6) for v in values]},
            )
        )
    return ControlOutcome(scores=updated)
