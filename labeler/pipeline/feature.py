"""The first thing that happens to a feature: explained where it has no label yet, chosen between, scored."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from labeler.catalogue.records import CandidateRecord, LabelOutcome
from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.explainers import Explainer
from labeler.features import SCORE, SPLITS, Explanation, Splits
from labeler.llm.calls import together
from labeler.llm.protocol import Recorder
from labeler.pipeline.bench import Bench
from labeler.pipeline.config import STANDING, RunConfig
from labeler.pipeline.cross_fitting import ONE_DOCUMENT, by_half, halves, joined
from labeler.pipeline.evaluation import measure, unfit
from labeler.pipeline.scoring import Sample, point, whole
from labeler.sides import OUTPUT_REASON
from labeler.simulators import Simulator

DIGITS = 4
"""Of a score on ``select``: what is further behind depends on the processor, and must not choose between candidates."""


async def label(bench: Bench, index: int, recorder: Recorder, given: Sequence[CandidateRecord] = ()) -> LabelOutcome:
    """Explain a feature on ``explain``, choose on ``select``, score on ``score``; no split is used for another's purpose.

    One with too few documents for that is labelled and scored by halves (``folds``). A label that came from elsewhere is
    scored on every split that had no part in choosing it (``scored_on``). Candidates that are ``given`` are not explained
    again; of those that come from the catalogue, as all do of which the first was made here, that is the label that
    stands. Raises LLMError where a model that
    was asked for an explanation or for the headline score gave nothing usable after all retries, InputError where it
    cannot be asked at all.
    """
    if _takes_halves(bench.config, given) and await asyncio.to_thread(bench.store.halves, index):
        return await _by_halves(bench, index, recorder, given)
    found = await _labelled(bench, index, recorder, given)
    splits = SCORE if found.chosen is None else scored_on(found.candidates, found.chosen)
    return await _scored(bench, index, found, recorder, splits)


def _takes_halves(config: RunConfig, given: Sequence[CandidateRecord]) -> bool:
    """Whether a label may not be scored on all that it was made of, or chosen on, so that few documents are halved."""
    return not given or given[0].contexts is not None or len(fitting(given, config)) > 1


async def _by_halves(bench: Bench, index: int, recorder: Recorder, given: Sequence[CandidateRecord]) -> LabelOutcome:
    elsewhere = bool(given) and given[0].contexts is None
    made = {} if elsewhere else by_half(bench.store, index, given)

    async def of_all() -> LabelOutcome:
        return await _labelled(bench, index, recorder, given)

    async def of_half(half: int, fold: Bench) -> LabelOutcome:
        if not await asyncio.to_thread(lambda: fold.store.evidence(index).of("explain")):
            return LabelOutcome(state="unclear", reason=ONE_DOCUMENT)
        if given and not elsewhere and half not in made:
            return LabelOutcome(state="unclear", reason="no label was made of this half alone")
        here = given if elsewhere else [made[half]] if half in made else ()
        found = await _labelled(fold, index, recorder, here, anew=elsewhere)
        return await _scored(fold, index, found, recorder)

    benches = halves(bench)
    whole, *folds = await together([of_all(), *(of_half(half, fold) for half, fold in enumerate(benches))])
    found = joined(whole, folds, bench.config)
    return dataclasses.replace(found, candidates=whole.candidates) if elsewhere else found


async def _labelled(
    bench: Bench, index: int, recorder: Recorder, given: Sequence[CandidateRecord], *, anew: bool = False
) -> LabelOutcome:
    """A feature with its candidates and the chosen one, not scored yet; ``anew`` chooses also where a label stands."""
    config = bench.config
    candidates = list(given) if given else await explain(bench, bench.explainers(recorder), index)
    chosen = 0
    stands = config.labels == STANDING or (bool(given) and given[0].contexts is not None)
    if anew or not stands:
        on_select = await asyncio.to_thread(whole, bench.store, index, "select")
        chosen, candidates = await _choose(bench, candidates, on_select, recorder)
        if is_weak(candidates[chosen], config) and (stronger := bench.stronger(recorder)):
            candidates += await explain(bench, stronger, index)
            chosen, candidates = await _choose(bench, candidates, on_select, recorder)
    if explanation(candidates[chosen]).unclear:
        return LabelOutcome(
            state="unclear", reason="no explainer saw a clear pattern", candidates=candidates, chosen=chosen
        )
    return LabelOutcome(state="labelled", candidates=candidates, chosen=chosen)


async def _scored(
    bench: Bench, index: int, found: LabelOutcome, recorder: Recorder, splits: Splits = SCORE
) -> LabelOutcome:
    """The same with the scores of the chosen label on some splits."""
    if found.state != "labelled" or found.chosen is None:
        return found
    if not fitting([found.candidates[found.chosen]], bench.config):
        nothing = await unfit(bench, index, OUTPUT_REASON, recorder)
        return dataclasses.replace(found, scores=nothing.scores, controls=nothing.controls)
    on_select = await asyncio.to_thread(whole, bench.store, index, "select")
    text = explanation(found.candidates[found.chosen]).text
    measured = await measure(bench, index, text, on_select, recorder, splits)
    return dataclasses.replace(found, scores=measured.scores, controls=measured.controls)


def scored_on(candidates: Sequence[CandidateRecord], chosen: int) -> Splits:
    """The splits that a chosen label may be scored on: those that had no part in it.

    One that was made here was shown contexts of ``explain``. One from elsewhere nobody here explained: it is scored on all
    contexts at hand, but for those of ``select`` where it was chosen there from among several.
    """
    if candidates[chosen].contexts is not None:
        return SCORE
    return ("explain", "score") if any(candidate.select for candidate in candidates) else SPLITS


async def explain(bench: Bench, explainers: Sequence[Explainer], index: int) -> list[CandidateRecord]:
    """What explainers make of a feature, on ``explain``."""
    evidence = await asyncio.to_thread(evidence_with_near_misses, bench.store, index)
    background = await asyncio.to_thread(lambda: bench.background)
    answers = await together(one.explain(evidence, background, bench.config.seed) for one in explainers)
    return [CandidateRecord(**vars(found)) for answer in answers for found in answer]


def is_weak(candidate: CandidateRecord, config: RunConfig) -> bool:
    """Whether a label is one that the stronger explainer is asked about: unclear, or below what it has to reach."""
    value = candidate.select.get(config.key(config.selector))
    return explanation(candidate).unclear or value is None or value < config.below


async def _choose(
    bench: Bench, candidates: Sequence[CandidateRecord], on_select: Sample, recorder: Recorder
) -> tuple[int, list[CandidateRecord]]:
    """The place of the chosen candidate, and all of them with their scores on ``select``, as far as any were needed."""
    key = bench.config.key(bench.config.selector)
    weighs = bench.config.escalate is not None  # a label alone may be too weak all the same
    among = fitting(candidates, bench.config) or range(len(candidates))
    rivals = [explanation(candidates[at]) for at in among]
    chosen, values = await choose(bench.selector(recorder), rivals, on_select, always=weighs)
    found = dict(zip(among, values, strict=True))
    return among[chosen], [
        dataclasses.replace(candidate, select={} if (value := found.get(at)) is None else {key: value})
        for at, candidate in enumerate(candidates)
    ]


def fitting(candidates: Sequence[CandidateRecord], config: RunConfig) -> list[int]:
    """The places of those that say what makes a feature fire, which is what is scored; of all where the run wants that."""
    return [at for at, candidate in enumerate(candidates) if config.output_labels or candidate.side == "input"]


def explanation(candidate: CandidateRecord) -> Explanation:
    """A stored candidate as one that can be simulated."""
    return Explanation(label=candidate.label, description=candidate.description, explainer=candidate.explainer)


async def choose(
    selector: Simulator, candidates: list[Explanation], on_select: Sample, always: bool = False
) -> tuple[int, list[float | None]]:
    """The place of the candidate with the best score on ``select``, and everyone's score; the first wins a tie.

    One that says nothing is chosen only where all do. Where one alone says something nothing is scored, but ``always``.
    """
    speaking = [at for at, candidate in enumerate(candidates) if not candidate.unclear]
    values: list[float | None] = [None] * len(candidates)
    if len(speaking) < (1 if always else 2):
        return (speaking or [0])[0], values
    predictions = await selector.predict([candidates[at].text for at in speaking], on_select.material)
    for at, prediction in zip(speaking, predictions, strict=True):
        value = await asyncio.to_thread(point, on_select, prediction)
        values[at] = None if value is None else round(value, DIGITS)
    best = max(speaking, key=lambda at: -2.0 if values[at] is None else values[at])  # type: ignore[arg-type, return-value]
    return best, values
