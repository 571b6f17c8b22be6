import asyncio

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.llm.calls import NullAccount
from labeler.llm.protocol import Address, Capabilities, TextLogprobs, Usage
from labeler.simulators.likelihood import LikelihoodSimulator, gain, on_tokens
from tests.fakes.account import kept
from tests.fakes.evidence import make_store


class Announced:
    """Words are worth -5 each; those that the prefix names, -1."""

    name = "local:announced"
    capabilities = Capabilities(logprobs=True, shares_prefix=True)

    address = Address("local", "announced")

    def __init__(self) -> None:
        self.passes = 0

    def bound(self, request):
        return Usage(input_tokens=1, output_tokens=1, usd=0.0)

    async def logprobs(self, prefix, texts, among=()):
        self.passes += 1
        return [self.one(prefix, text) for text in texts]

    def one(self, prefix, text):
        spans, start = [], 0
        for word in text.split(" ")[1:]:
            spans.append((start, start + len(word) + 1))
            start += len(word) + 1
        values = [-1.0 if text[a:b].strip() in prefix.split() else -5.0 for a, b in spans]
        return TextLogprobs(
            np.array(spans, dtype=np.int64).reshape(-1, 2),
            np.array(values, dtype=np.float32),
            usage=Usage(input_tokens=len(spans), usd=None),
        )


def test_what_a_label_makes_likelier_is_predicted(tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(3, "score")
    backend = Announced()
    backend.name = f"local:{tmp_path}"
    recorded = []
    simulator = LikelihoodSimulator(
        backend, lambda name, prompt: NullAccount(lambda usage, outcome: recorded.append((prompt, usage, outcome)))
    )
    found = asyncio.run(simulator.predict(["penny and", "king and"], store.material(frame.contexts)))
    wanted = frame.truth > 0
    assert (found[0] > 0)[wanted].all()
    assert not np.array_equal(found[0], found[1])
    assert backend.passes == 3  # one without a label, one for each
    assert [prompt.split("@")[0] for prompt, _, _ in recorded] == ["likelihood_neutral", "likelihood", "likelihood"]
    n_tokens = sum(map(len, store.material(frame.contexts).tokens()))
    assert {(usage.input_tokens, usage.usd, outcome) for _, usage, outcome in recorded[1:]} == {
        (n_tokens, None, "answered")
    }

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
        LikelihoodSimulator(backend, kept)


def test_texts_that_were_cut_otherwise_are_compared_over_what_both_cuts_share():
    told = TextLogprobs(np.array([[0, 2], [2, 3], [3, 6]]), np.array([-1.0, -2.0, -3.0], dtype=np.float32))
    bare = TextLogprobs(np.array([[0, 3], [3, 4], [4, 6]]), np.array([-5.0, -1.0, -4.0], dtype=np.float32))
    offsets, nats = gain(told, bare)
    assert offsets.tolist() == [[0, 3], [3, 6]]
    assert nats.tolist() == [2, 2]


def test_pieces_of_one_character_are_compared_each_where_both_cuts_are_the_same():
    offsets = np.array([[0, 1], [0, 1], [1, 4]])
    told = TextLogprobs(offsets, np.array([-1.0, -2.0, -3.0], dtype=np.float32))
    bare = TextLogprobs(offsets, np.array([-2.0, -2.5, -9.0], dtype=np.float32))
    assert gain(told, bare)[1].tolist() == [1, 0.5, 6]
