"""Simulation by a language model's surprise: how much likelier a token becomes once the explanation is announced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labeler.errors import InputError
from labeler.evidence.store import Material
from labeler.features import FloatArray
from labeler.llm.protocol import Backend, TextLogprobs
from prompts import load_prompt

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

    def __init__(self, backend: Backend) -> None:
        """Raises InputError where the backend gives no log-probabilities."""
        if not backend.capabilities.logprobs:
            raise InputError(
                f"simulator 'likelihood' needs log-probabilities of a given text, which '{backend.name}' does not return; "
                "use local:… or the simulator 'sparse'"
            )
        self.source = backend.name
        self._backend = backend
        self._announced = load_prompt("likelihood")
        neutral = load_prompt("likelihood_neutral")
        self._neutral_prefix = neutral.render()
        self.prompt: str | None = f"{self._announced.source}, {neutral.source}"

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol; one pass over the contexts for each text, and one without any, which is kept."""
        tokens = material.tokens()
        contexts = ["".join(parts) for parts in tokens]
        neutral = await self._without_label(contexts)

        predictions = np.zeros((len(texts), len(material), material.length), dtype=np.float32)
        for at, text in enumerate(texts):
            announced = await self._backend.logprobs(self._announced.render(label=text), contexts)
            for row, (context, found) in enumerate(zip(contexts, announced, strict=True)):
                gain = np.maximum(found.logprobs - neutral[context].logprobs - FLOOR, 0.0)
                predictions[at, row] = on_tokens(found.offsets, gain, tokens[row], material.length)
        return predictions

    async def _without_label(self, contexts: list[str]) -> dict[str, TextLogprobs]:
        known = _NEUTRAL.setdefault(self.source, {})
        found = {text: known[text] for text in contexts if text in known}
        new = [text for text in dict.fromkeys(contexts) if text not in found]
        if new:
            found.update(zip(new, await self._backend.logprobs(self._neutral_prefix, new), strict=True))
        if len(known) > 20_000:
            known.clear()
        known.update(found)
        return found


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
