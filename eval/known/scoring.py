"""Scores of labels whose truth is known, by one simulator."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.known.corpus import frame_of, truth_of
from eval.known.meaning import Meaning
from labeler.evidence.sampling import draw, size
from labeler.evidence.store.store import EvidenceStore, Material
from labeler.features import FloatArray, Frame
from labeler.llm.errors import LLMError
from labeler.pipeline.scoring import Sample, point
from labeler.progress import Progress, silent
from labeler.simulators import Simulator

AT_ONCE = 32
"""Labels that a free simulator predicts in one go over the whole corpus."""

Scores = dict[tuple[str, str], float | None]
"""By the label of the truth and the label that was simulated."""


@dataclass(frozen=True, eq=False)
class Exam:
    """Truths with the labels that are scored against them, over all contexts of a store."""

    store: EvidenceStore
    questions: Mapping[Meaning, Sequence[str]]

    @functools.cached_property
    def material(self) -> Material:
        """All contexts."""
        return self.store.material(np.arange(len(self.store.rows)))

    @functools.cached_property
    def frames(self) -> dict[Meaning, Frame]:
        """Every context with each truth, standing for itself."""
        rows = self.material.at
        return {meaning: frame_of(truth_of(meaning, self.store, rows), self.store, rows) for meaning in self.questions}

    @functools.cached_property
    def texts(self) -> list[str]:
        """All labels, each once."""
        return list(dict.fromkeys(text for labels in self.questions.values() for text in labels))

    async def everything(self, simulator: Simulator) -> AsyncIterator[tuple[str, FloatArray]]:
        """Every label with the activations that it lets expect on all contexts."""
        for start in range(0, len(self.texts), AT_ONCE):
            part = self.texts[start : start + AT_ONCE]
            for text, prediction in zip(part, await simulator.predict(part, self.material), strict=True):
                yield text, prediction

    async def scores_on_everything(self, simulator: Simulator, progress: Progress = silent) -> Scores:
        """The score of every label against its truths on all contexts, for a simulator that costs nothing."""
        found: Scores = {}
        n = 0
        async for text, prediction in self.everything(simulator):
            for meaning, labels in self.questions.items():
                if text in labels:
                    found[meaning.label, text] = point(Sample(self.frames[meaning], self.material, ""), prediction)
            n += 1
            progress(f"scoring by {simulator.name}", n, len(self.texts), "labels")
        return found

    async def draws(self, n_contexts: int, oracle: Simulator) -> dict[Meaning, Sample]:
        """A sample of contexts for each truth, the same for all of its labels.

        Guided by the truth and by what labels say too much, as the oracle knows: a few contexts have to show that.
        """
        guides: dict[Meaning, list[NDArray[np.float64]]] = {meaning: [] for meaning in self.questions}
        async for text, prediction in self.everything(oracle):
            for meaning, labels in self.questions.items():
                truth = self.frames[meaning].truth
                if text in labels and (prediction * truth).any():
                    guides[meaning].append(size(np.where(truth > 0, 0.0, prediction)))
        found = {}
        for meaning, frame in self.frames.items():
            drawn = draw(frame, n_contexts, guides[meaning], seed=0)
            found[meaning] = Sample(drawn, self.store.material(drawn.contexts), "")
        return found

    async def scores_on(
        self, draws: Mapping[Meaning, Sample], simulator: Simulator, progress: Progress = silent
    ) -> tuple[Scores, int]:
        """The score of every label on the samples of its truths, and how many could not be had: they are None."""
        found: Scores = {}
        failed = 0
        for done, (meaning, labels) in enumerate(self.questions.items(), 1):
            for text in labels:
                try:
                    prediction = (await simulator.predict([text], draws[meaning].material))[0]
                    found[meaning.label, text] = point(draws[meaning], prediction)
                except LLMError:
                    found[meaning.label, text] = None
                    failed += 1
            progress(f"scoring by {simulator.name}", done, len(self.questions), "truths")
        return found, failed
