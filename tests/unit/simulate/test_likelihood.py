import asyncio

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.llm.protocol import Capabilities, TextLogprobs
from labeler.simulate.likelihood import LikelihoodSimulator, on_tokens
from tests.fakes.evidence import make_store


class Announced:
    """Words are worth -5 each; those that the prefix names, -1."""

    name = "local:announced"
    capabilities = Capabilities(logprobs=True)

    def __init__(self) -> None:
        self.passes = 0

    async def logprobs(self, prefix, texts):
        self.passes += 1
        return [self.one(prefix, text) for text in texts]

    def one(self, prefix, text):
        spans, start = [], 0
        for word in text.split(" ")[1:]:
            spans.append((start, start + len(word) + 1))
            start += len(word) + 1
        values = [-1.0 if text[a:b].strip() in prefix.split() else -5.0 for a, b in spans]
        return TextLogprobs(np.array(spans, dtype=np.int64).reshape(-1, 2), np.array(values, dtype=np.float32))


def test_what_a_label_makes_likelier_is_predicted(tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(3, "score")
    backend = Announced()
    backend.name = f"local:{tmp_path}"
    simulator = LikelihoodSimulator(backend)
    found = asyncio.run(simulator.predict(["penny and", "king and"], store.material(frame.contexts)))
    wanted = frame.truth > 0
    assert (found[0] > 0)[wanted].all()
    assert not np.array_equal(found[0], found[1])
    assert backend.passes == 3  # one without a label, one for each

    asyncio.run(simulator.predict(["wool and"], store.material(frame.contexts)))
    assert backend.passes == 4  # the neutral pass is kept


def test_another_tokenizers_pieces_are_laid_over_the_tokens():
    offsets = np.array([[0, 2], [2, 7], [7, 9]])
    found = on_tokens(offsets, np.array([1.0, 3.0, 2.0]), (" the", " cat", "s"), 5)
    assert found.tolist() == [3, 3, 2, 0, 0]


def test_a_backend_without_logprobs_is_refused():
    backend = Announced()
    backend.capabilities = Capabilities(schema=True)
    with pytest.raises(InputError, match="simulator 'likelihood' needs log-probabilities"):
        LikelihoodSimulator(backend)
