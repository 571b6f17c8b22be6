"""Texts judged, against a plain forward pass without cache, padding or batch."""

import copy
import dataclasses

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.models import logprobs as judging
from labeler.models.logprobs import logprobs
from tests.fakes.tiny_model import CONTEXT
from tests.unit.models.plain import next_logprobs

TEXTS = [
    "the cat sat on the mat",
    "",
    "x",
    "naïve café, 日本語 and 😀😀 emoji\n\ttabs",
    "the cat sat on the mat; the other cats ate the bread that stood there",
    "dogs",
]


def naive_logprobs(model, prefix, text):
    ids = model.encode(text)
    before = [model.separator_id, *model.encode(prefix)]
    rows = next_logprobs(model, before + ids)
    return np.array([rows[len(before) + i - 1, token] for i, token in enumerate(ids)], dtype=np.float32)


@pytest.mark.parametrize("prefix", ["", "a passage about cats: "])
def test_logprobs_are_those_of_a_plain_forward_pass(model, prefix):
    found = logprobs(model, prefix, TEXTS)
    assert len(found) == len(TEXTS)
    for text, result in zip(TEXTS, found, strict=True):
        assert result.logprobs.dtype == np.float32
        np.testing.assert_allclose(result.logprobs, naive_logprobs(model, prefix, text), atol=1e-3)


def test_logprobs_in_bfloat16_are_near(model):
    half = dataclasses.replace(model, module=copy.deepcopy(model.module).bfloat16())
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


def test_a_tokenizer_without_offsets_is_refused(model):
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="offsets"):
        logprobs(dataclasses.replace(model, tokenizer=Slow()), "", ["x"])
