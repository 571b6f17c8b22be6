"""Features with predictions on all contexts at hand, so that the score that a sample estimates is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from labeler.evidence.sampling import Floats, strata
from labeler.evidence.store.store import EvidenceStore
from labeler.explainers.lexical import LexicalExplainer
from labeler.features import FloatArray, Frame
from labeler.metrics import pearson
from labeler.metrics.moments import unit_moments
from labeler.pipeline.bench import background
from labeler.pipeline.feature import choose
from labeler.pipeline.importance import guides
from labeler.pipeline.scoring import whole
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator

MISSES = 0.3
"""The share of firing contexts in which a spiky prediction sees nothing."""

SPREAD = 0.3
"""The standard deviation of a spiky prediction's strengths, in logarithms."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """One prediction for one feature on everything at hand, which here is the whole corpus."""

    kind: str
    density: float
    frame: Frame
    prediction: FloatArray
    moments: Floats
    """[N, 6] of every context."""
    guides: list[Floats]
    """What points at likely alarms; never made of the prediction itself."""
    by_context: Floats
    """[N] how near the whole context is to the label: the last of the guides, and once the only one."""
    value: float
    """The correlation over everything: what a sample estimates."""


def known(store: EvidenceStore, index: int, rarity: float | None, seed: int) -> list[Known]:
    """A feature's predictions by two simulators and a made-up one; those without a correlation are left out.

    ``rarity`` raises the feature's threshold so far that it fires in that share of the contexts. Each prediction is
    guided by what else is made of the label, for a paid simulator cannot be asked beforehand: ``embedding`` by the words
    that it names alone, ``lexical`` by what words mean alone, and ``spiky``, whose alarms know of no label, by both.
    """
    label = _label(store, index)
    everything = whole(store, index, "score")
    frame = everything.frame if rarity is None else rarer(everything.frame, rarity)
    if (frame.stratum > 0).sum() < 2:
        return []
    by_words = asyncio.run(LexicalSimulator().predict([label], everything.material))[0]
    by_meaning = asyncio.run(EmbeddingSimulator().predict([label], everything.material))[0]
    named, meant, by_context = asyncio.run(guides(label, everything.material, encoder=True))
    predictions = {
        "embedding": (by_meaning, [named]),
        "lexical": (by_words, [meant]),
        "spiky": (spiky(frame, np.random.default_rng([seed, index])), [named, meant]),
    }
    density = float((frame.weight[:, None] * (frame.truth > 0)).sum() / (frame.weight * frame.lengths).sum())
    found = []
    for kind, (prediction, guided) in predictions.items():
        moments = unit_moments(frame.truth, prediction, frame.lengths)
        value = float(pearson(frame.weight @ moments))
        if not np.isnan(value):
            found.append(
                Known(
                    kind=kind,
                    density=density,
                    frame=frame,
                    prediction=prediction,
                    moments=moments,
                    guides=[*guided, by_context],
                    by_context=by_context,
                    value=value,
                )
            )
    return found


def _label(store: EvidenceStore, index: int) -> str:
    """What the lexical explainer says of a feature, chosen on ``select``."""
    candidates = asyncio.run(LexicalExplainer().explain(store.evidence(index), background(store), 0))
    chosen, _ = asyncio.run(choose(EmbeddingSimulator(), candidates, whole(store, index, "select")))
    return candidates[chosen].text or "words"


def spiky(frame: Frame, rng: np.random.Generator) -> FloatArray:
    """A reader's prediction in steps of 0 to 10: right on most firing contexts, and with alarms that nothing foretells.

    There are as many false alarms as firing contexts, in silent contexts drawn blindly, each as loud as some hit.
    """
    strongest = frame.truth.max(initial=0.0) or 1.0
    guess = np.round(10 * frame.truth / strongest * np.exp(rng.normal(0, SPREAD, frame.truth.shape))).clip(0, 10)
    guess *= (rng.random(len(frame)) >= MISSES)[:, None]
    loud = guess.max(axis=1)
    hits = loud[frame.firing & (loud > 0)]
    silent = np.flatnonzero(~frame.firing)
    if len(hits) and len(silent):
        wanted = round(frame.weight[frame.firing].sum() / frame.weight[silent].mean())
        for row in rng.choice(silent, min(wanted, len(silent)), replace=False):
            guess[row, rng.integers(max(1, frame.lengths[row]))] = rng.choice(hits)
    return guess.astype(np.float32)


def rarer(frame: Frame, share: float) -> Frame:
    """The frame of a feature whose threshold is raised until it fires in this share of the contexts, at most."""
    maximum = frame.truth.max(axis=1, initial=0.0)
    order = np.argsort(-maximum, kind="stable")
    within = np.cumsum(frame.weight[order]) <= share * frame.weight.sum()
    threshold = maximum[order[int(within.sum())]]
    truth = np.maximum(frame.truth - threshold, 0.0)
    return Frame(
        contexts=frame.contexts,
        truth=truth,
        lengths=frame.lengths,
        stratum=strata(truth.max(axis=1, initial=0.0)),
        weight=frame.weight,
    )
