"""Tokens, caches and prices of answers; answers that are spoilt."""

import json

import pytest

from eval.provider.answering import make
from eval.provider.asked import read
from eval.provider.billing import Ledger
from eval.provider.counting import Cache, Counts, input_tokens, tokens
from eval.provider.errors import ApiError
from eval.provider.knobs import SPOILT, Knobs

SCHEMA = {"type": "object", "properties": {"words": {"type": "array"}}, "required": ["words"]}


def claude(system="", cached=True, **body):
    block = {"type": "text", "text": system, **({"cache_control": {"type": "ephemeral"}} if cached else {})}
    asked = {"model": "m", "max_tokens": 300, "system": [block], "messages": [{"role": "user", "content": "hi"}]}
    return read("anthropic", {**asked, **body})


def gpt(system="", **body):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "hi"}]
    return read("openai", {"model": "m", "messages": messages, **body})


def test_tokens_are_a_quarter_of_the_bytes():
    assert [tokens(text) for text in ("", "a", "abcd", "ééé", "\ud800")] == [0, 1, 2, 2, 1]


def test_a_prefix_is_written_once_and_read_later():
    cache, asked = Cache(1024), claude("x" * 4_096)
    assert cache.look(asked) == (0, 1025)
    cache.keep(asked)
    assert cache.look(asked) == (1025, 0)
    assert cache.look(claude("x" * 4_096, model="other")) == (0, 1025)
    assert cache.look(claude("x" * 4_096, cached=False)) == (0, 0)
    assert cache.look(claude("x" * 4_000)) == (0, 0)  # too short


def test_openai_caches_without_being_asked_in_steps():
    cache, asked = Cache(1024), gpt("x" * 4_200)
    assert cache.look(asked) == (0, 0)
    cache.keep(asked)
    assert cache.look(asked) == (1024, 0)
    assert cache.look(gpt("y" * 4_200)) == (0, 0)


def test_what_tokens_cost():
    counts = Counts(input_tokens=1_000, cached_tokens=600, written_tokens=300, output_tokens=50)
    knobs = Knobs(input_price=2, cached_price=0.5, output_price=10)
    assert counts.usd(knobs) == pytest.approx((100 * 2 + 600 * 0.5 + 300 * 2.5 + 50 * 10) / 1e6)


def test_an_answer_takes_no_more_than_was_allowed():
    for asked in (
        claude(max_tokens=1),
        claude(max_tokens=1, model="thinking"),
        gpt(max_completion_tokens=1, model="reasoning"),
    ):
        made = make(asked, None, Cache(1024))
        assert (made.stop, made.counts.output_tokens, made.useful) == ("truncated", 1, False)


def test_the_schema_counts_as_input():
    form = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    assert input_tokens(claude("ab", **form)) == tokens("ab") + tokens("hi") + tokens(json.dumps(SCHEMA))


def test_a_schema_in_the_system_text_is_kept():
    made = make(gpt(f"Answer with JSON:\n{json.dumps(SCHEMA)}", model="plain"), None, Cache(1024))
    assert json.loads(made.text) == {"words": []}


@pytest.mark.parametrize("api", ["anthropic", "openai"])
def test_spoilt_answers(api):
    form = {"type": "json_schema", "schema": SCHEMA}
    asked = claude(output_config={"format": form}) if api == "anthropic" else gpt(response_format={"json_schema": form})
    made = {fault: make(asked, fault, Cache(1024)) for fault in SPOILT}
    assert not any(one.useful for one in made.values())
    with pytest.raises(ValueError, match=r"char|line"):
        json.loads(made["malformed"].text)
    assert "words" not in json.loads(made["wrong_schema"].text)
    assert made["empty"].text == ""
    assert made["refusal"].stop == "refusal"
    assert made["truncated"].stop == "truncated"
    if api == "anthropic":
        assert made["truncated"].counts.output_tokens == 300
    assert make(asked, "slow", Cache(1024)) == make(asked, None, Cache(1024))


def test_the_same_question_has_the_same_key_whatever_the_order():
    assert claude("a").key == read("anthropic", dict(reversed(claude("a").body.items()))).key
    assert claude("a").key != claude("b").key


@pytest.mark.parametrize("body", [[], {}, {"model": "m", "messages": []}, {"model": "m", "messages": ["x"]}])
@pytest.mark.parametrize("api", ["anthropic", "openai"])
def test_what_is_no_request_is_refused(api, body):
    with pytest.raises(ApiError):
        read(api, body)


def test_repeats_are_told_from_what_was_bought_again():
    ledger = Ledger()
    counts = Counts(input_tokens=1, output_tokens=1)

    def bill(key):
        ledger.bill(key, "openai", "m", counts, 0.5, batch=False, useful=True)

    bill("lost")
    bill("lost")
    bill("had")
    ledger.arrived(["had"])
    bill("had")
    bill("once")
    assert ledger.billed_twice() == {"lost": 2, "had": 2}
    totals = ledger.totals()
    assert (totals.calls, totals.repeats, totals.rebought, totals.usd) == (5, 2, 1, 2.5)
