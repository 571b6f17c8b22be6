"""One explanation of one feature, scored by one simulator on one split."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labeler.catalogue.records import ScoreRecord
from labeler.evidence.sampling import SHARE, drawing, looks
from labeler.evidence.store.store import EvidenceStore, Material
from labeler.features import SCORE, SPLITS, FloatArray, Frame, IntArray, Split, Splits
from labeler.metrics import (
    Estimate,
    auprc,
    fit,
    moments,
    pearson,
    simulation,
    simulation_top_and_random,
    variance_explained,
)
from labeler.metrics.moments import TOKENS, XX, XY, YY, X, Y
from labeler.pipeline.config import RunConfig
from labeler.pipeline.importance import guides
from labeler.simulators import Simulator, Summing

AT_ONCE = 20
"""Foreign labels that are predicted at a time: 22 MB for the contexts of a full pool."""

LITERATURE = 10
"""Contexts of either kind in the top-and-random score."""


Line = tuple[float, float]
"""Slope and intercept, from a prediction to the truth."""

EVERYTHING = "everything at hand"
UNCOUNTED = "top-and-random"
"""The design where nobody counted the corpus: contexts stand for themselves alone."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The contexts that a score is made on."""

    frame: Frame
    material: Material
    design: str
    """How they were drawn, as the catalogue says it."""
    splits: Splits = SCORE
    """Of which splits they are."""

    @property
    def drawn(self) -> bool:
        """Whether they were drawn with probabilities of their own from what is at hand."""
        return self.design not in (EVERYTHING, UNCOUNTED)


def whole(store: EvidenceStore, index: int, splits: Split | Splits) -> Sample:
    """Everything at hand of one split or several."""
    of: Splits = (splits,) if isinstance(splits, str) else splits
    frame = store.frame(index, of)
    design = EVERYTHING if store.manifest.sampling == "population" else UNCOUNTED
    return Sample(frame, store.material(frame.contexts), design, of)


async def sampling(everything: Sample, index: int, text: str, config: RunConfig) -> Callable[[int], Sample]:
    """How contexts are drawn for a paid simulator: the sample of each size, all of them nested.

    Draws are guided by the feature's activations and by where the label is expected to be taken for active.
    """
    frame, store = everything.frame, everything.material.store
    if config.sampling == UNCOUNTED:
        seed = [config.seed, index]

        def halves(n: int) -> Sample:
            drawn = frame.take(half_firing(frame, n, seed))
            return Sample(drawn, store.material(drawn.contexts), UNCOUNTED, everything.splits)

        return halves
    guided = await guides(text, everything.material, config.guided)
    order = await asyncio.to_thread(drawing, frame, guided, [config.seed, index])
    by_truth, by_guides, uniform = SHARE
    design = f"activation {by_truth:.2f}, label {by_guides:.2f}, uniform {uniform:.2f}; sequential Poisson"

    def first(n: int) -> Sample:
        if n >= len(frame):
            return everything
        drawn = order.first(n)
        return Sample(drawn, store.material(drawn.contexts), design, everything.splits)

    return first


def half_firing(frame: Frame, n: int, seed: Sequence[int]) -> IntArray:
    """n rows, half of them firing and half silent as far as there are, each drawn uniformly."""
    order = np.random.default_rng(seed).permutation(len(frame))
    firing, silent = order[frame.firing[order]], order[~frame.firing[order]]
    n_firing = min(len(firing), max(n - len(silent), n // 2))
    return np.sort(np.r_[firing[:n_firing], silent[: n - n_firing]])


def estimate(sampled: Sample, prediction: FloatArray, config: RunConfig) -> Estimate:
    """The correlation with its interval; where nobody counted the corpus, no number of uniform contexts is worth it."""
    frame = sampled.frame
    found = simulation(
        frame.truth,
        prediction,
        frame.lengths,
        frame.weight,
        frame.stratum,
        drawn=sampled.drawn,
        precision=config.precision,
        seed=config.seed,
    )
    return found if config.sampling == "population" else replace(found, uniform_equivalent_n=None)


def point(sampled: Sample, prediction: FloatArray) -> float | None:
    """The weighted correlation alone, without an interval; None where it is undefined."""
    value = float(pearson(totals(sampled, prediction)))
    return None if np.isnan(value) else value


def record(key: str, simulator: str, found: Estimate, design: str | None, **details: object) -> ScoreRecord:
    """An estimate as the catalogue keeps it."""
    return ScoreRecord(
        key=key,
        state=found.state,
        value=found.value,
        low=found.low,
        high=found.high,
        n_contexts=found.n_contexts,
        uniform_equivalent_n=found.uniform_equivalent_n,
        simulator=simulator,
        reason=found.reason,
        sampling=design,
        details=details,
    )


async def score(
    simulator: Simulator, text: str, index: int, everything: Sample, calibration: Sample | None, config: RunConfig
) -> tuple[Sample, FloatArray, list[ScoreRecord]]:
    """The contexts that were predicted, the prediction, the simulation score of an explanation, and what stands beside it.

    Beside it stand the area under the precision-recall curve and, for a simulator that costs nothing, the variance explained
    after a line fitted on ``calibration`` (contexts of ``select``, or without it each half on the other: see
    ``cross_fitted``) and the literature's top-and-random correlation.
    Where nobody counted the corpus, the correlation is all that can be said.
    A paid simulator predicts nested blocks of contexts, looked at when half and all of ``config.contexts``
    are there, until the interval is narrower than ``config.precision`` or there are no more.
    Raises LLMError where the simulator gave nothing usable.
    """
    if simulator.free:
        sampled = everything
        prediction = (await simulator.predict([text], everything.material))[0]
        found = await asyncio.to_thread(estimate, sampled, prediction, config)
        details: Mapping[str, object] = {}
    else:
        sampled, prediction, found, details = await _by_blocks(simulator, text, index, everything, config)
    records = await asyncio.to_thread(_headline, simulator, prediction, found, sampled, config, details)
    if simulator.free and config.sampling == "population":
        line: Line | None = None
        brought = prediction
        if calibration is not None:
            line = fit(totals(calibration, (await simulator.predict([text], calibration.material))[0]))
        elif (calibrated := cross_fitted(sampled, index, prediction)) is not None:
            line, brought = (1.0, 0.0), calibrated
        records += await asyncio.to_thread(_beside, simulator, prediction, brought, line, sampled, config)
    return sampled, prediction, records


async def _by_blocks(
    simulator: Simulator, text: str, index: int, everything: Sample, config: RunConfig
) -> tuple[Sample, FloatArray, Estimate, dict[str, object]]:
    """The sample at the look that was the last, its prediction and estimate, and what is kept to compute it again."""
    take = await sampling(everything, index, text, config)
    known: dict[int, FloatArray] = {}
    sizes: list[int] = []
    for n in looks(config.contexts):
        sampled = take(n)
        frame = sampled.frame
        new = [row for row in frame.contexts.tolist() if row not in known]
        asked = everything.material.store.material(new)
        known.update(zip(new, (await simulator.predict([text], asked))[0], strict=True))
        prediction = np.stack([known[row] for row in frame.contexts.tolist()])
        found = await asyncio.to_thread(estimate, sampled, prediction, config)
        sizes.append(len(frame))
        if found.state == "ok" or len(frame) == len(everything.frame):
            break
    details = {
        "looks": sizes,
        "counts": dict(simulator.counts),
        "contexts": frame.contexts.tolist(),
        "weights": frame.weight.tolist(),
        "moments": moments(frame.truth, prediction, frame.lengths).tolist(),
    }
    return sampled, prediction, found, details


def said(splits: Splits) -> dict[str, object]:
    """What is kept with a score of the splits that it was made on; nothing where it is ``score`` alone, as mostly."""
    return {} if splits == SCORE else {"splits": list(splits)}


def counted(frame: Frame) -> dict[str, object]:
    """What is kept with a score of how many contexts it rests on, so that those of halves can be counted together."""
    firing = int((frame.stratum > 0).sum())
    return {"firing": firing, "silent": len(frame) - firing}


def splits_of(found: ScoreRecord) -> Splits:
    """The splits that a stored score was made on."""
    return tuple(found.details.get("splits", SCORE))


def again(everything: Sample, found: ScoreRecord) -> Sample:
    """The contexts that a stored score was made on, with their weights; ``everything`` is of its splits."""
    if "contexts" not in found.details:
        return everything
    place = {int(row): at for at, row in enumerate(everything.frame.contexts)}
    weight = np.asarray(found.details["weights"], dtype=np.float64)
    drawn = everything.frame.take([place[row] for row in found.details["contexts"]], weight)
    material = everything.material.store.material(drawn.contexts)
    return Sample(drawn, material, found.sampling or "", everything.splits)


def _headline(
    simulator: Simulator,
    prediction: FloatArray,
    found: Estimate,
    sampled: Sample,
    config: RunConfig,
    details: Mapping[str, object],
) -> list[ScoreRecord]:
    prompt = {} if simulator.prompt is None else {"prompt": simulator.prompt}
    where = said(sampled.splits) | counted(sampled.frame)
    headline = record(config.key(simulator.name), simulator.source, found, sampled.design, **prompt, **where, **details)
    if config.sampling == UNCOUNTED:
        return [headline]
    frame = sampled.frame
    area = auprc(
        frame.truth,
        prediction,
        frame.lengths,
        frame.weight,
        frame.stratum,
        drawn=sampled.drawn,
        precision=config.precision,
        seed=config.seed,
    )
    return [headline, record(f"auprc.{simulator.name}", simulator.source, area, sampled.design, **where)]


def _beside(
    simulator: Simulator,
    prediction: FloatArray,
    brought: FloatArray,
    line: Line | None,
    sampled: Sample,
    config: RunConfig,
) -> list[ScoreRecord]:
    frame, where = sampled.frame, said(sampled.splits) | counted(sampled.frame)
    share = variance_explained(
        frame.truth,
        brought,
        frame.lengths,
        frame.weight,
        frame.stratum,
        line,
        precision=config.precision,
        seed=config.seed,
    )
    rows = top_and_random(frame, config.seed)
    literature = simulation_top_and_random(frame.truth, prediction, frame.lengths, rows)
    key = f"simulation_top_and_random.{simulator.name}"
    return [
        record(f"variance_explained.{simulator.name}", simulator.source, share, sampled.design, **where),
        record(key, simulator.source, literature, UNCOUNTED, contexts=frame.contexts[rows].tolist(), **where),
    ]


def halved(store: EvidenceStore, index: int) -> EvidenceStore:
    """The store as it is where its ``explain`` split has half of the documents of a feature, about, or its first fold."""
    return store.fold(0) if store.whole is store and store.halves(index) else store


def of_explain(store: EvidenceStore, index: int, sampled: Sample) -> NDArray[np.bool_]:
    """[n] which contexts are of the ``explain`` split of a store."""
    return np.asarray(store.splits(index)[sampled.frame.contexts] == SPLITS.index("explain"))


def cross_fitted(sampled: Sample, index: int, prediction: FloatArray) -> FloatArray | None:
    """A prediction on the scale of the truth, each half of the documents by the line that was fitted on the other.

    None where a half has no line: nothing in it is predicted, or all of it alike.
    """
    found = np.zeros_like(prediction)
    explain = of_explain(halved(sampled.material.store, index), index, sampled)
    for half in (explain, ~explain):
        frame = sampled.frame.take(np.flatnonzero(~half))
        line = fit(frame.weight @ moments(frame.truth, prediction[~half], frame.lengths)) if len(frame) else None
        if line is None:
            return None
        found[half] = np.where(sampled.frame.mask[half], line[0] * prediction[half] + line[1], 0.0)
    return found


def totals(sampled: Sample, prediction: FloatArray) -> NDArray[np.float64]:
    """The six weighted moments over all contexts."""
    frame = sampled.frame
    return np.asarray(frame.weight @ moments(frame.truth, prediction, frame.lengths), dtype=np.float64)


def top_and_random(frame: Frame, seed: int) -> IntArray:
    """The rows of the strongest contexts and of as many silent ones drawn at random."""
    strongest = np.argsort(-frame.truth.max(axis=1, initial=0.0), kind="stable")[:LITERATURE]
    strongest = strongest[frame.firing[strongest]]
    silent = np.flatnonzero(~frame.firing)
    drawn = np.random.default_rng(seed).permutation(silent)[:LITERATURE]
    found: IntArray = np.r_[strongest, np.sort(drawn)]
    return found


async def foreign_scores(simulator: Simulator, texts: Sequence[str], sampled: Sample) -> list[float | None]:
    """The scores of other features' explanations on the same contexts, a few at a time."""
    values: list[float | None] = []
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        if isinstance(simulator, Summing):
            values += await asyncio.to_thread(by_sums, simulator, part, sampled)
        else:
            predictions = await simulator.predict(part, sampled.material)
            values += await asyncio.to_thread(lambda found: [point(sampled, p) for p in found], predictions)
    return values


def by_sums(simulator: Summing, texts: Sequence[str], sampled: Sample) -> list[float | None]:
    """The weighted correlations of several explanations: of predictions only what they add up to, and where truth is."""
    frame = sampled.frame
    row, position = np.nonzero(frame.truth)
    truth, weight = frame.truth[row, position].astype(np.float64), frame.weight[row]
    found = np.empty((len(texts), 6))
    found[:, TOKENS] = frame.weight @ frame.lengths
    found[:, X], found[:, XX] = weight @ truth, weight @ (truth * truth)
    found[:, [Y, YY]] = np.einsum("n,tnk->tk", frame.weight, simulator.sums(texts, sampled.material))
    found[:, XY] = simulator.at(texts, sampled.material, row, position) @ (weight * truth)
    return [None if np.isnan(value) else float(value) for value in pearson(found)]
