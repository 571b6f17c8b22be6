"""One explanation of one feature, scored by one simulator on one split."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labeler.catalogue.records import ScoreRecord
from labeler.evidence.sampling import draw
from labeler.evidence.store import EvidenceStore, Material
from labeler.features import FloatArray, Frame, IntArray, Split
from labeler.runs.config import RunConfig
from labeler.score import (
    Estimate,
    auprc,
    explained,
    fit,
    moments,
    pearson,
    simulation,
    simulation_top_and_random,
)
from labeler.simulate import Simulator
from labeler.simulate.embedding import context_guide

LITERATURE = 10
"""Contexts of either kind in the top-and-random score."""


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


def whole(store: EvidenceStore, index: int, split: Split) -> Sample:
    """Everything at hand of one split."""
    frame = store.frame(index, split)
    design = EVERYTHING if store.manifest.sampling == "population" else UNCOUNTED
    return Sample(frame, store.material(frame.contexts), design)


def sample(everything: Sample, index: int, simulator: Simulator, text: str, config: RunConfig) -> Sample:
    """Contexts of ``score``: everything at hand for a simulator that costs nothing, else a draw guided by the feature's
    activations and, where the encoder is there, by its label."""
    if simulator.free or len(everything.frame) <= config.contexts:
        return everything
    if config.sampling == UNCOUNTED:
        rows = half_firing(everything.frame, config.contexts, [config.seed, index])
        drawn = everything.frame.take(rows)
        return Sample(drawn, everything.material.store.material(drawn.contexts), UNCOUNTED)
    guide = context_guide(text, everything.material) if config.guided else None
    drawn = draw(everything.frame, config.contexts, guide, [config.seed, index])
    design = "activation .45, label .35, uniform .20" if config.guided else "activation .69, uniform .31"
    return Sample(drawn, everything.material.store.material(drawn.contexts), f"{design}; systematic")


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
        precision=config.precision,
        seed=config.seed,
    )
    return found if config.sampling == "population" else replace(found, uniform_equivalent_n=None)


def point(sampled: Sample, prediction: FloatArray) -> float | None:
    """The weighted correlation alone, without an interval; None where it is undefined."""
    value = float(pearson(totals(sampled, prediction)))
    return None if np.isnan(value) else value


def record(key: str, simulator: str, found: Estimate, sampled: Sample, **details: object) -> ScoreRecord:
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
        sampling=sampled.design,
        details=details,
    )


async def score(
    simulator: Simulator, text: str, index: int, everything: Sample, calibration: Sample, config: RunConfig
) -> tuple[Sample, list[ScoreRecord]]:
    """The contexts that were predicted, the simulation score of an explanation on them, and what stands beside it.

    That is the area under the precision-recall curve and, for a simulator that costs nothing, the variance explained
    after a line fitted on ``calibration`` (contexts of ``select``) and the literature's top-and-random correlation.
    Where nobody counted the corpus, the correlation is all that can be said.
    Raises LLMError where the simulator gave nothing usable.
    """
    sampled = await asyncio.to_thread(sample, everything, index, simulator, text, config)
    prediction = (await simulator.predict([text], sampled.material))[0]
    records = await asyncio.to_thread(_headline, simulator, prediction, sampled, config)
    if simulator.free and config.sampling == "population":
        fitted_on = (await simulator.predict([text], calibration.material))[0]
        records += await asyncio.to_thread(_beside, simulator, prediction, sampled, fitted_on, calibration, config.seed)
    return sampled, records


def again(everything: Sample, found: ScoreRecord) -> Sample:
    """The contexts that a stored score was made on, with their weights."""
    if "contexts" not in found.details:
        return everything
    place = {int(row): at for at, row in enumerate(everything.frame.contexts)}
    weight = np.asarray(found.details["weights"], dtype=np.float64)
    drawn = everything.frame.take([place[row] for row in found.details["contexts"]], weight)
    return Sample(drawn, everything.material.store.material(drawn.contexts), found.sampling or "")


def _headline(simulator: Simulator, prediction: FloatArray, sampled: Sample, config: RunConfig) -> list[ScoreRecord]:
    frame = sampled.frame
    details: dict[str, object] = {} if simulator.prompt is None else {"prompt": simulator.prompt}
    if not simulator.free:  # what a paid answer said is kept, so that its score can be computed again
        details |= {
            "contexts": frame.contexts.tolist(),
            "weights": frame.weight.round(6).tolist(),
            "moments": moments(frame.truth, prediction, frame.lengths).round(6).tolist(),
        }
    found = estimate(sampled, prediction, config)
    headline = record(config.key(simulator.name), simulator.source, found, sampled, **details)
    if config.sampling == UNCOUNTED:
        return [headline]
    area = auprc(frame.truth, prediction, frame.lengths, frame.weight)
    return [
        headline,
        plain(f"auprc.{simulator.name}", simulator, area, "the feature is active on no token, or on all", sampled),
    ]


def _beside(
    simulator: Simulator,
    prediction: FloatArray,
    sampled: Sample,
    fitted_on: FloatArray,
    calibration: Sample,
    seed: int,
) -> list[ScoreRecord]:
    frame = sampled.frame
    line = fit(totals(calibration, fitted_on))
    share = explained(totals(sampled, prediction), *line) if line is not None else None
    rows = top_and_random(frame, seed)
    literature = simulation_top_and_random(frame.truth, prediction, frame.lengths, rows)
    marked = Sample(frame.take(rows), sampled.material, "top-and-random")
    key = f"simulation_top_and_random.{simulator.name}"
    return [
        plain(f"variance_explained.{simulator.name}", simulator, share, "truth or prediction is constant", sampled),
        record(key, simulator.source, literature, marked, contexts=frame.contexts[rows].tolist()),
    ]


def plain(key: str, simulator: Simulator, value: float | None, otherwise: str, sampled: Sample) -> ScoreRecord:
    """A number that has no interval, as the catalogue keeps it."""
    n = len(sampled.frame)
    if value is None:
        found = Estimate(n_contexts=n, state="undefined", reason=otherwise)
    else:
        found = Estimate(value=value, n_contexts=n, state="ok")
    return record(key, simulator.source, found, sampled)


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
    return np.r_[strongest, np.sort(drawn)]


async def foreign_scores(simulator: Simulator, texts: Sequence[str], sampled: Sample) -> list[float | None]:
    """The scores of other features' explanations on the same contexts, a few at a time."""
    values: list[float | None] = []
    for start in range(0, len(texts), 8):
        predictions = await simulator.predict(texts[start : start + 8], sampled.material)
        values += await asyncio.to_thread(lambda found: [point(sampled, p) for p in found], predictions)
    return values
