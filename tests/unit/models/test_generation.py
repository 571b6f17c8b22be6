"""Prompts, draws, and when a text is over."""

import collections

import pytest
import torch

from labeler.errors import InputError
from labeler.models.generation import Wanted, Writing, choose, end_ids, prompt_ids
from tests.fakes.tiny_model import CONTEXT
from tests.unit.models.plain import next_logprobs


def writing(model, prompt="the cat", max_tokens=24, **fields):
    return Writing(model, Wanted(prompt=prompt_ids(model, prompt), max_tokens=max_tokens, **fields))


def write(text, ids):
    """Add tokens until one ends it; the rest of them is left."""
    rest = iter(ids)
    done = next((done for token in rest if (done := text.add(token)) is not None), None)
    return done, list(rest)


def test_a_prompt_gets_a_start_token_unless_it_has_one(model):
    assert prompt_ids(model, "dogs") == [model.separator_id, *model.encode("dogs")]
    assert prompt_ids(model, "<|im_start|>user") == model.encode("<|im_start|>user")
    assert prompt_ids(model, "") == [model.separator_id]


def test_a_prompt_without_room_for_an_answer_is_refused(model):
    with pytest.raises(InputError, match=f"more than the {CONTEXT}"):
        prompt_ids(model, "x" * CONTEXT)
    with pytest.raises(InputError, match=f"{CONTEXT + 1} tokens are more than the {CONTEXT}"):
        prompt_ids(model, "x" * (CONTEXT - 1))
    assert len(prompt_ids(model, "x" * (CONTEXT - 2))) == CONTEXT - 1


@pytest.mark.parametrize("token", ["<|im_end|>", "<|endoftext|>"])
def test_an_end_token_ends_a_text_and_is_not_in_it(model, token):
    words = model.encode("the cat")
    done, rest = write(writing(model), [*words, model.tokenizer.convert_tokens_to_ids(token), *words])
    assert done.text == "the cat"
    assert done.output_tokens == len(words) + 1
    assert not done.truncated
    assert rest == words


def test_the_ends_that_a_model_is_configured_with_count_too(model, monkeypatch):
    monkeypatch.setattr(model.module.generation_config, "eos_token_id", [7, 9])
    assert {7, 9, model.separator_id, model.tokenizer.eos_token_id} <= end_ids(model)


def test_the_first_stop_string_ends_a_text_even_in_the_middle_of_a_token(model):
    words = model.encode("the cat sat; the mat")
    done, rest = write(writing(model, stops=("at", ";", "never")), words)
    assert done.text == "the c"
    assert not done.truncated
    assert rest


def test_a_text_is_cut_at_its_limit(model):
    words = model.encode("the cat sat on the mat and the bread")
    done, rest = write(writing(model, max_tokens=3, stops=("never",)), words)
    assert (done.text, done.output_tokens) == (model.tokenizer.decode(words[:3]), 3)
    assert done.truncated
    assert rest == words[3:]


def test_a_stop_string_at_the_limit_is_no_cut(model):
    words = model.encode("the cat")
    done, _ = write(writing(model, max_tokens=len(words), stops=("cat",)), words)
    assert (done.text, done.truncated) == ("the ", False)


def test_a_text_may_fill_the_context_and_no_more(model):
    done, rest = write(writing(model, "x" * (CONTEXT - 5), max_tokens=24), model.encode("x" * 24))
    assert done.input_tokens + done.output_tokens == CONTEXT
    assert len(rest) == 20


@pytest.mark.parametrize("temperature", [None, 0, 0.0])
def test_no_temperature_means_the_likeliest(model, temperature):
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0, 0.0]])
    assert choose(logits, [writing(model, temperature=temperature)] * 2) == [1, 0]


def test_a_draw_depends_on_its_seed_and_not_on_its_neighbours(model):
    logits = torch.randn(3, 300, generator=torch.Generator().manual_seed(0))

    def draw(seed):
        return writing(model, temperature=1.0, seed=seed)

    alone = choose(logits[1:2], [draw(7)])[0]
    assert choose(logits, [draw(1), draw(7), draw(2)])[1] == alone
    assert choose(logits, [writing(model), draw(7), draw(4)])[1] == alone
    assert len({choose(logits[1:2], [draw(seed)])[0] for seed in range(20)}) > 5


def test_draws_are_as_frequent_as_the_model_says(model):
    likelihoods = next_logprobs(model, prompt_ids(model, "the cat"))[-1]
    drawn = choose(likelihoods.expand(2_000, -1), [writing(model, temperature=1.0, seed=i) for i in range(2_000)])
    found = collections.Counter(drawn)
    for token in likelihoods.topk(5).indices.tolist():
        assert found[token] / 2_000 == pytest.approx(float(likelihoods[token].exp()), abs=0.04)
