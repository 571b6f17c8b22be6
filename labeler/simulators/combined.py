"""Simulation by three that see different things: a sentence encoder, a language model's surprise, and the letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labeler.evidence.store.store import Material
from labeler.features import FloatArray
from labeler.llm.protocol import Backend, Recorder
from labeler.prompts import Load, load_prompt
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator
from labeler.simulators.likelihood import LikelihoodSimulator

EMBEDDING, LIKELIHOOD, LEXICAL = 0.0031, 0.26, 0.070
"""Standard deviations over the tokens of the sample corpus, for the shipped ordinary labels; ``likelihood`` by SmolLM2-135M.

A prediction is divided by a number that is the same for every label, context and model, so that it depends on nothing else.
"""


class SumSimulator:
    """``embedding`` + ``likelihood`` + ``lexical``, each over its own usual spread."""

    name = "sum"
    free = False

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend gives no log-probabilities, MissingExtraError without the encoder."""
        self._likelihood = LikelihoodSimulator(backend, recorder, prompts)
        self._embedding = EmbeddingSimulator()
        self._lexical = LexicalSimulator()
        self.source = self._likelihood.source
        self.prompt: str | None = self._likelihood.prompt
        self.counts: Counter[str] = self._likelihood.counts

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol. Raises what ``likelihood`` does."""
        likelihood = await self._likelihood.predict(texts, material)
        embedding = await self._embedding.predict(texts, material)
        lexical = await self._lexical.predict(texts, material)
        found: FloatArray = embedding / EMBEDDING + likelihood / LIKELIHOOD + lexical / LEXICAL
        return found
