"""What every simulator does: predict activations from an explanation alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from labeler.evidence.store.store import Material
from labeler.features import FloatArray, IntArray


class Simulator(Protocol):
    """Predicts how strongly a feature with a given explanation is active on every token."""

    name: str
    """The method; a score's key is ``simulation.{name}``."""
    source: str
    """Which model does it, as the user named it."""
    free: bool
    """Whether a prediction costs next to nothing, so that everything at hand is predicted and nothing is sampled."""

    prompt: str | None
    """``name@version`` of the prompts that it asks with."""
    counts: Counter[str]
    """What has happened to a model's answers since the simulator was opened, by its name: how much of them there was,
    how much was repaired, asked again or not to be had. A simulator is opened for one feature at a time."""

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """Predictions for several explanations on the same contexts: [n_texts, n_contexts, length], zero behind the end.

        Only the order and the proportions of a prediction matter. Raises LLMError where a model gave nothing usable.
        """
        ...


@runtime_checkable
class Summing(Simulator, Protocol):
    """A simulator that finds what the correlation of many labels takes without predicting all of them in full."""

    def sums(self, texts: Sequence[str], material: Material) -> FloatArray:
        """Σy and Σy² of the predictions on each context: [n_texts, n, 2]."""
        ...

    def at(self, texts: Sequence[str], material: Material, rows: IntArray, positions: IntArray) -> FloatArray:
        """The predictions on single tokens, given by context and position [m] each: [n_texts, m]."""
        ...
