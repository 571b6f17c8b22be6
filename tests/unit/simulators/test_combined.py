import asyncio

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.llm.protocol import Capabilities
from labeler.simulators import combined as room
from labeler.simulators.combined import EMBEDDING, LEXICAL, LIKELIHOOD, SumSimulator


class Backend:
    name = "local:fake"
    capabilities = Capabilities(logprobs=True)


class One:
    """A simulator that says one number everywhere, whatever it is opened with."""

    source, prompt, counts = "local:fake", "p@1", {}

    def __init__(self, value):
        self.value = value

    async def predict(self, texts, material):
        return np.full((len(texts), 2, 3), self.value, dtype=np.float32)


def test_each_of_the_three_counts_by_its_own_scale(monkeypatch):
    monkeypatch.setattr(room, "LikelihoodSimulator", lambda *_: One(LIKELIHOOD))
    monkeypatch.setattr(room, "EmbeddingSimulator", lambda: One(2 * EMBEDDING))
    monkeypatch.setattr(room, "LexicalSimulator", lambda: One(4 * LEXICAL))
    found = asyncio.run(SumSimulator(Backend(), lambda *_: None).predict(["a", "b"], None))
    np.testing.assert_allclose(found, np.full((2, 2, 3), 7.0), rtol=1e-5)


def test_it_needs_what_likelihood_needs():
    class Mute(Backend):
        capabilities = Capabilities(logprobs=False)

    with pytest.raises(InputError, match="log-probabilities"):
        SumSimulator(Mute(), lambda *_: None)
