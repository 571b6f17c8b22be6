"""One explanation of one feature, scored by one simulator on one split."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labeler.catalogue.records import ScoreRecord
from labeler.evidence.sampling import draw
from labeler.evidence.store import EvidenceStore, Material
from labeler.features import FloatArray, Frame, IntArray
from labeler.runs.config import RunConfig
from labeler.score import Estimate, moments, pearson, simulation, simulation_top_and_random
from labeler.simulate import Simulator
from labeler.simulate.embedding import context_guide

LITERATURE = 10
"""Contexts of either kind in the top-and-random score."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The contexts that a score is made on."""

    frame: Frame
    material: Material
    design: str
    """How they were drawn, as the catalogue says it."""


def sample(store: EvidenceStore, index: int, simulator: Simulator, text: str, config: RunConfig) -> Sample:
    """Contexts of ``score``: everything at hand for a simulator that costs nothing, else a draw guided by the feature's
    activations and, where the encoder is there, by its label."""
    frame = store.frame(index, "score")
    if simulator.free or len(frame) <= config.contexts:
        return Sample(frame, store.material(frame.contexts), "everything at hand")
    guide = context_guide(text, store.material(frame.contexts)) if config.guided else None
    drawn = draw(frame, config.contexts, guide, config.seed)
    design = "activation .45, label .35, uniform .20" if config.guided else "activation .69, uniform .31"
    return Sample(drawn, store.material(drawn.contexts), f"{design}; systematic")


def point(sampled: Sample, prediction: FloatArray) -> float | None:
    """The weighted correlation alone, without an interval; None where it is undefined."""
    frame = sampled.frame
    totals = (moments(frame.truth, prediction, frame.lengths) * frame.weight[:, None]).sum(axis=0)
    value = float(pearson(totals))
    return None if np.isnan(value) else value


def record(key: str, simulator: str, estimate: Estimate, sampled: Sample, **details: object) -> ScoreRecord:
    """An estimate as the catalogue keeps it."""
    return ScoreRecord(
        key=key,
        state=estimate.state,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n_contexts=estimate.n_contexts,
        uniform_equivalent_n=estimate.uniform_equivalent_n,
        simulator=simulator,
        reason=estimate.reason,
        sampling=sampled.design,
        details=details,
    )


async def score(
    simulator: Simulator, text: str, sampled: Sample, precision: float, seed: int
) -> tuple[list[ScoreRecord], FloatArray]:
    """The simulation score of an explanation, and the literature's beside it where nothing was left out.

    Returns the records and the prediction [n, length]. Raises LLMError where the simulator gave nothing usable.
    """
    prediction = (await simulator.predict([text], sampled.material))[0]
    return await asyncio.to_thread(_records, simulator, prediction, sampled, precision, seed), prediction


def _records(
    simulator: Simulator, prediction: FloatArray, sampled: Sample, precision: float, seed: int
) -> list[ScoreRecord]:
    frame = sampled.frame
    estimate = simulation(
        frame.truth, prediction, frame.lengths, frame.weight, frame.stratum, precision=precision, seed=seed
    )
    details: dict[str, object] = {}
    if not simulator.free:  # what a paid answer said is kept, so that its score can be computed again
        details = {
            "contexts": frame.contexts.tolist(),
            "weights": frame.weight.round(6).tolist(),
            "moments": moments(frame.truth, prediction, frame.lengths).round(6).tolist(),
        }
    records = [record(f"simulation.{simulator.name}", simulator.source, estimate, sampled, **details)]
    if simulator.free:
        rows = top_and_random(frame, seed)
        literature = simulation_top_and_random(frame.truth, prediction, frame.lengths, rows)
        marked = Sample(frame.take(rows), sampled.material, "top-and-random")
        key = f"simulation_top_and_random.{simulator.name}"
        records.append(record(key, simulator.source, literature, marked, contexts=frame.contexts[rows].tolist()))
    return records


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
