"""Texts continued and texts judged, against a plain forward pass without cache, padding or batch."""

import collections
import dataclasses

import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.models import logprobs as judging
from labeler.models.generation import generate, logprobs, prompt_ids
from labeler.models.language import load_language_model
from tests.fakes.tiny_model import CONTEXT, save_tiny_model

TEXTS = [
    "the cat sat on the mat",
    "",
    "x",
    "naïve café, 日本語 and 😀😀 emoji\n\ttabs",
    "the cat sat on the mat; the other cats ate the bread that stood there",
    "dogs",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    loaded = load_language_model(str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))
    loaded.module.float()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by more
    yield loaded
    torch.set_num_threads(threads)


@torch.inference_mode()
def next_logprobs(model, ids):
    """[len(ids), vocabulary], row i about the token behind ids[i]."""
    return model.module(torch.tensor([ids]), use_cache=False).logits[0].float().log_softmax(-1)


def naive_logprobs(model, prefix, text):
    ids = model.encode(text)
    before = [model.bos_id, *model.encode(prefix)]
    rows = next_logprobs(model, before + ids)
    return np.array([rows[len(before) + i - 1, token] for i, token in enumerate(ids)], dtype=np.float32)


def naive_greedy(model, prompt, tokens):
    ids = prompt_ids(model, prompt)
    written = []
    for _ in range(tokens):
        written.append(int(next_logprobs(model, ids + written)[-1].argmax()))
    return written


def write(model, prompts, tokens=24, temperature=0.0, seeds=None, stops=None):
    return generate(
        model,
        prompts,
        max_tokens=[tokens] * len(prompts),
        temperatures=[temperature] * len(prompts),
        seeds=seeds or [0] * len(prompts),
        stops=stops,
    )


@pytest.mark.parametrize("prefix", ["", "a passage about cats: "])
def test_logprobs_are_those_of_a_plain_forward_pass(model, prefix):
    found = logprobs(model, prefix, TEXTS)
    assert len(found) == len(TEXTS)
    for text, result in zip(TEXTS, found, strict=True):
        assert result.logprobs.dtype == np.float32
        np.testing.assert_allclose(result.logprobs, naive_logprobs(model, prefix, text), atol=1e-3)


def test_logprobs_in_bfloat16_are_near(model, tmp_path):
    half = load_language_model(str(save_tiny_model(tmp_path)))
    assert half.module.dtype == torch.bfloat16
    for ours, exact in zip(logprobs(half, "cats: ", TEXTS), logprobs(model, "cats: ", TEXTS), strict=True):
        np.testing.assert_allclose(ours.logprobs, exact.logprobs, atol=0.3)


@pytest.mark.parametrize(("batch", "rows", "words"), [(1, 1, 7), (30, 3, 64), (10_000, 10_000, 10_000)])
def test_how_texts_are_batched_changes_nothing(model, monkeypatch, batch, rows, words):
    usual = logprobs(model, "cats: ", TEXTS)
    monkeypatch.setattr(judging, "_BATCH_TOKENS", batch)
    monkeypatch.setattr(judging, "_HEAD_ROWS", rows)
    monkeypatch.setattr(judging, "_HEAD_WORDS", words)
    for ours, theirs in zip(logprobs(model, "cats: ", TEXTS), usual, strict=True):
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, atol=1e-4)


def test_the_order_of_texts_is_kept(model):
    forward = logprobs(model, "cats: ", TEXTS)
    for ours, theirs in zip(logprobs(model, "cats: ", TEXTS[::-1])[::-1], forward, strict=True):
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, atol=1e-4)


def test_offsets_lead_back_to_the_text_and_do_not_depend_on_the_prefix(model):
    for text, bare, behind in zip(TEXTS, logprobs(model, "", TEXTS), logprobs(model, "th", TEXTS), strict=True):
        assert np.array_equal(bare.offsets, behind.offsets)
        assert bare.offsets.shape == (len(bare.logprobs), 2)
        covered = set()
        for token, (begin, end) in zip(model.encode(text), bare.offsets.tolist(), strict=True):
            covered.update(range(begin, end))
            decoded = model.tokenizer.decode([token])
            assert "�" in decoded or decoded == text[begin:end]
        assert covered == set(range(len(text)))


def test_an_empty_text_has_no_tokens(model):
    for result in logprobs(model, "cats: ", ["", ""]):
        assert result.offsets.shape == (0, 2)
        assert result.logprobs.shape == (0,)
    assert logprobs(model, "cats: ", []) == []


def test_a_soft_cap_of_the_logits_is_applied(model, monkeypatch):
    plain = logprobs(model, "", ["the cat sat"])[0].logprobs
    monkeypatch.setattr(model.module.config, "final_logit_softcapping", 1e-6, raising=False)
    capped = logprobs(model, "", ["the cat sat"])[0].logprobs
    assert not np.allclose(plain, capped)
    np.testing.assert_allclose(capped, -np.log(model.module.config.vocab_size), atol=1e-3)


def test_texts_beyond_the_context_are_refused(model):
    with pytest.raises(InputError, match=f"more than the {CONTEXT}"):
        logprobs(model, "", ["x" * CONTEXT])
    with pytest.raises(InputError, match=f"more than the {CONTEXT}"):
        write(model, ["x", "x" * CONTEXT])


def test_a_tokenizer_without_offsets_is_refused(model):
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="offsets"):
        logprobs(dataclasses.replace(model, tokenizer=Slow()), "", ["x"])


def test_greedy_text_is_that_of_a_plain_loop(model):
    prompts = ["the cat", "", "dogs and other cats stood there", "日本"]
    for prompt, ours in zip(prompts, write(model, prompts), strict=True):
        assert ours.text == model.tokenizer.decode(naive_greedy(model, prompt, 24))
        assert ours.input_tokens == len(model.encode(prompt)) + 1
        assert ours.output_tokens == 24
        assert ours.truncated


def test_no_temperature_means_the_likeliest(model):
    assert write(model, ["the cat"], temperature=None) == write(model, ["the cat"], temperature=0.0)


def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(model):
    alone = write(model, ["the cat"], temperature=1.0, seeds=[7])[0]
    crowd = ["dogs and other cats stood there", "the cat", "x"]
    for others in ([1, 7, 2], [3, 7, 4]):
        assert write(model, crowd, temperature=1.0, seeds=others)[1] == alone
    assert write(model, ["the cat"], temperature=1.0, seeds=[8])[0].text != alone.text


def test_samples_are_as_frequent_as_the_model_says(model):
    drawn = write(model, ["the cat"] * 2_000, tokens=1, temperature=1.0, seeds=list(range(2_000)))
    expected = collections.Counter()
    for token, value in enumerate(next_logprobs(model, prompt_ids(model, "the cat"))[-1].exp().tolist()):
        expected[model.tokenizer.decode([token], skip_special_tokens=True)] += value
    found = collections.Counter(text.text for text in drawn)
    for text, share in expected.most_common(5):
        assert found[text] / 2_000 == pytest.approx(share, abs=0.04)


def test_rows_that_end_leave_the_others_to_go_on(model):
    prompts = ["the cat", "dogs", "x"]
    whole = write(model, prompts)
    stop = next(character for character in whole[1].text[4:] if character.isascii())
    cut = write(model, prompts, stops=[(), (stop, "never"), ()])
    assert [cut[0], cut[2]] == [whole[0], whole[2]]
    assert cut[1].text == whole[1].text[: whole[1].text.index(stop)]
    assert not cut[1].truncated
    assert cut[1].output_tokens < 24


def test_every_row_has_its_own_limit(model):
    texts = generate(model, ["the cat", "dogs"], max_tokens=[3, 9], temperatures=[0, 0], seeds=[0, 0])
    assert [text.output_tokens for text in texts] == [3, 9]
    assert [text.truncated for text in texts] == [True, True]


def test_a_text_may_fill_the_context_and_no_more(model):
    prompt = "x" * (CONTEXT - 5)
    assert write(model, [prompt])[0].output_tokens == 4


@pytest.mark.parametrize("token", ["<|im_end|>", "<|endoftext|>"])
def test_an_end_token_ends_a_text_and_is_not_in_it(model, monkeypatch, token):
    wanted = [*model.encode("the cat"), model.tokenizer.convert_tokens_to_ids(token)]
    script = iter(wanted)
    monkeypatch.setattr("labeler.models.generation._choose", lambda logits, rows: [next(script)])
    text = write(model, ["dogs"])[0]
    assert text.text == "the cat"
    assert text.output_tokens == len(wanted)
    assert not text.truncated


def test_a_prompt_gets_a_start_token_unless_it_has_one(model):
    assert prompt_ids(model, "dogs") == [model.bos_id, *model.encode("dogs")]
    assert prompt_ids(model, "<|im_start|>user") == model.encode("<|im_start|>user")
    assert prompt_ids(model, "") == [model.bos_id]


def test_nothing_to_continue_is_nothing(model):
    assert write(model, []) == []
