"""Simulation by a language model's surprise: how much likelier a token becomes once the explanation is announced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence.store.store import Material
from labeler.features import FloatArray
from labeler.llm.prompt_logprobs import logprobs_until_given
from labeler.llm.protocol import Backend, Recorder, TextLogprobs
from labeler.prompts import Load, load_prompt

FLOOR = 0.5
"""Nats that count as nothing: any announcement moves every token a little."""

# Every label of a feature is compared with the same neutral pass: kept by backend and text while the process lives.
_NEUTRAL: dict[str, dict[str, TextLogprobs]] = {}


class LikelihoodSimulator:
    """max(0, log p(token | a text with the label) - log p(token | a text) - FLOOR).

    Needs log-probabilities of a given text: an in-process model, or a server that returns them for prompts.
    """

    name = "likelihood"
    free = False

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend gives no log-probabilities."""
        if not backend.capabilities.logprobs:
            raise InputError(
                f"simulator 'likelihood' needs log-probabilities of a given text, which '{backend.name}' does not return; "
                "use local:… or the simulator 'sparse'"
            )
        self.source = backend.name
        self.counts: Counter[str] = Counter()
        self._backend = backend
        self._announced = prompts("likelihood")
        neutral = prompts("likelihood_neutral")
        self._neutral_prefix = neutral.render()
        self.prompt: str | None = f"{self._announced.source}, {neutral.source}"
        self._record = recorder(backend.name, self._announced.source)
        self._record_neutral = recorder(backend.name, neutral.source)

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol; one pass over the contexts for each text, and one without any, which is kept."""
        tokens = material.tokens()
        contexts = ["".join(parts) for parts in tokens]
        neutral = await self._without_label(contexts)

        predictions = np.zeros((len(texts), len(material), material.length), dtype=np.float32)
        for at, text in enumerate(texts):
            announced = await logprobs_until_given(
                self._backend, self._announced.render(label=text), contexts, record=self._record
            )
            for row, (context, found) in enumerate(zip(contexts, announced, strict=True)):
                offsets, likelier = gain(found, neutral[context])
                surprise = np.maximum(likelier - FLOOR, 0.0)
                predictions[at, row] = on_tokens(offsets, surprise, tokens[row], material.length)
        return predictions

    async def _without_label(self, contexts: list[str]) -> dict[str, TextLogprobs]:
        known = _NEUTRAL.setdefault(self.source, {})
        found = {text: known[text] for text in contexts if text in known}
        new = [text for text in dict.fromkeys(contexts) if text not in found]
        if new:
            given = await logprobs_until_given(self._backend, self._neutral_prefix, new, record=self._record_neutral)
            found.update(zip(new, given, strict=True))
        if len(known) > 20_000:
            known.clear()
        known.update(found)
        return found


def gain(found: TextLogprobs, other: TextLogprobs) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """How much likelier one prefix than the other makes a text, piece by piece: offsets [n, 2] and nats [n].

    The pieces are the model's tokens. A server may part a text's beginning otherwise behind another prefix: then they
    are the smallest stretches that both ways have in common.
    """
    if np.array_equal(found.offsets, other.offsets):
        return found.offsets, found.logprobs - other.logprobs
    ends = np.intersect1d(found.offsets[:, 1], other.offsets[:, 1])
    stretches = np.stack([np.r_[0, ends[:-1]], ends], axis=1)
    nats = [
        np.bincount(np.searchsorted(ends, one.offsets[:, 1]), one.logprobs, minlength=len(ends))
        for one in (found, other)
    ]
    return stretches, (nats[0] - nats[1]).astype(np.float32)


def on_tokens(offsets: np.ndarray, values: np.ndarray, tokens: Sequence[str], length: int) -> FloatArray:
    """Values of one tokenizer's tokens, given by character offsets, on those of another: [length].

    A token takes the largest value that it overlaps.
    """
    ends = np.cumsum([len(token) for token in tokens])
    starts = ends - [len(token) for token in tokens]
    overlap = (starts[:, None] < offsets[None, :, 1]) & (offsets[None, :, 0] < ends[:, None])
    found = np.zeros(length, dtype=np.float32)
    if len(values):
        found[: len(tokens)] = np.where(overlap, values[None, :], 0.0).max(axis=1)
    return found
