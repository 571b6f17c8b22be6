"""The first thing that happens to a feature: explained, chosen between, scored."""

from __future__ import annotations

import asyncio

from labeler.catalogue.records import CandidateRecord, LabelOutcome, ScoreRecord
from labeler.evidence.store import EvidenceStore
from labeler.features import Explanation
from labeler.llm.protocol import Recorder
from labeler.llm.together import together
from labeler.runs.bench import Bench
from labeler.runs.config import RunConfig
from labeler.runs.scoring import Sample, estimate, point, record, score, whole
from labeler.simulate import Simulator, lookup


async def label(bench: Bench, index: int, recorder: Recorder) -> LabelOutcome:
    """Explain a feature on ``explain``, choose on ``select``, score on ``score``; no split is used for another's purpose.

    Raises LLMError where a model that was asked gave nothing usable after all retries, InputError where it cannot be
    asked at all.
    """
    store, config = bench.store, bench.config
    evidence = await asyncio.to_thread(store.evidence, index)
    explainers = bench.explainers(recorder)
    background = await asyncio.to_thread(lambda: bench.background)
    answers = await together(e.explain(evidence, background, config.seed) for e in explainers)
    candidates = [candidate for answer in answers for candidate in answer]
    on_select = await asyncio.to_thread(whole, store, index, "select")
    chosen, selected = await choose(bench.selector(recorder), candidates, on_select)
    records = [
        CandidateRecord(
            label=candidate.label,
            description=candidate.description,
            confidence=candidate.confidence,
            explainer=candidate.explainer,
            prompt=candidate.prompt,
            contexts=candidate.contexts,
            select={} if value is None else {config.key(config.selector): value},
        )
        for candidate, value in zip(candidates, selected, strict=True)
    ]
    explanation = candidates[chosen]
    if explanation.unclear:
        return LabelOutcome(
            state="unclear", reason="no explainer saw a clear pattern", candidates=records, chosen=chosen
        )

    scores: list[ScoreRecord] = []
    samples: list[Sample] = []
    everything = await asyncio.to_thread(whole, store, index, "score")
    for simulator in bench.simulators(recorder):
        sampled, found = await score(simulator, explanation.text, index, everything, on_select, config)
        samples.append(sampled)
        scores += found
    headline = next(s for s in scores if s.key == config.headline)
    # On the same contexts as the headline, so that the two can be compared.
    control = await asyncio.to_thread(look_up, store, index, samples[0], config)
    return LabelOutcome(
        state="labelled",
        candidates=records,
        chosen=chosen,
        scores=scores,
        controls={
            "lookup": {"value": control.value, "low": control.low, "high": control.high},
            "beats_lookup": None if None in (headline.value, control.value) else headline.value > control.value,  # type: ignore[operator]
        },
    )


async def choose(
    selector: Simulator, candidates: list[Explanation], on_select: Sample
) -> tuple[int, list[float | None]]:
    """The place of the candidate with the best score on ``select``, and everyone's score; the first wins a tie.

    One that says nothing is chosen only where all do.
    """
    speaking = [at for at, candidate in enumerate(candidates) if not candidate.unclear]
    values: list[float | None] = [None] * len(candidates)
    if not speaking:
        return 0, values
    predictions = await selector.predict([candidates[at].text for at in speaking], on_select.material)
    for at, prediction in zip(speaking, predictions, strict=True):
        values[at] = await asyncio.to_thread(point, on_select, prediction)
    best = max(speaking, key=lambda at: -2.0 if values[at] is None else values[at])  # type: ignore[arg-type, return-value]
    return best, values


def look_up(store: EvidenceStore, index: int, sampled: Sample, config: RunConfig) -> ScoreRecord:
    """The control that every label is held against: a table of tokens fitted on ``explain``, scored on a sample."""
    fitted = whole(store, index, "explain")
    table = lookup.fit(fitted.frame, fitted.material.ids)
    prediction = lookup.predict(table, sampled.material.ids)
    return record("lookup", "lookup", estimate(sampled, prediction, config), sampled)
