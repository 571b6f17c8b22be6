"""Prices, without a network."""

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.llm.names import LLMName
from labeler.llm.prices import Price, Prices, load_facts, price
from labeler.llm.protocol import Usage
from tests.fakes.environment import settings

MILLION = 1_000_000


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("prices reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_call_costs_its_input_and_its_output():
    empty = price("anthropic", "claude-haiku-4-5", Usage())
    asked = price("anthropic", "claude-haiku-4-5", Usage(input_tokens=MILLION))
    answered = price("anthropic", "claude-haiku-4-5", Usage(output_tokens=MILLION))
    both = price("anthropic", "claude-haiku-4-5", Usage(input_tokens=MILLION, output_tokens=MILLION))
    assert empty == 0
    assert 0 < asked < answered
    assert both == pytest.approx(asked + answered)


def test_cached_tokens_are_part_of_the_input_and_cheaper():
    fresh = price("openai", "gpt-5-nano", Usage(input_tokens=MILLION))
    cached = price("openai", "gpt-5-nano", Usage(input_tokens=MILLION, cached_tokens=MILLION))
    half = price("openai", "gpt-5-nano", Usage(input_tokens=MILLION, cached_tokens=MILLION // 2))
    assert 0 < cached < half < fresh
    assert half == pytest.approx((cached + fresh) / 2)


def test_tokens_written_to_the_cache_cost_more():
    usage = Usage(input_tokens=MILLION)
    plain = price("anthropic", "claude-haiku-4-5", usage)
    assert price("anthropic", "claude-haiku-4-5", usage, cache_write_tokens=MILLION) == pytest.approx(1.25 * plain)


def test_a_dated_name_has_the_price_of_its_model():
    usage = Usage(input_tokens=MILLION)
    dated = price("anthropic", "claude-haiku-4-5-20251001", usage)
    assert dated == price("anthropic", "claude-haiku-4-5", usage)


@pytest.mark.parametrize(
    ("provider", "model", "base_url"),
    [
        ("anthropic", "no-such-model", None),
        ("openai", "no-such-model", None),
        ("openai", "gpt-5-nano", "https://proxy.example/v1"),
        ("openai", "qwen3", "http://10.0.0.1:8000/v1"),
    ],
)
def test_an_unknown_price_is_none_and_not_zero(provider, model, base_url):
    assert price(provider, model, Usage(input_tokens=10, output_tokens=10), base_url=base_url) is None


@pytest.mark.parametrize(
    ("provider", "base_url"), [("local", None), ("openai", "http://127.0.0.1:8000/v1"), ("anthropic", "http://[::1]")]
)
def test_nobody_is_paid_for_what_runs_here(provider, base_url):
    assert price(provider, "whatever", Usage(input_tokens=MILLION), base_url=base_url) == 0.0


def test_counts_that_contradict_each_other_have_no_price():
    assert price("openai", "gpt-5-nano", Usage(input_tokens=1, cached_tokens=10)) is None


OWN = {
    "openai:qwen3@http://127.0.0.1:8000/v1": {"input": 2, "cached": 0.5, "written": 3, "output": 8},
    "openai:qwen3": {"input": 1.0, "output": 4.0},
}


def loaded(tmp_path, value):
    path = tmp_path / "prices.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return load_facts(settings(prices=path)).prices


def test_the_user_s_own_prices_go_before_all_others(tmp_path):
    prices = loaded(tmp_path, {**OWN, "anthropic:claude-haiku-4-5": {"input": 7, "output": 0}})
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION)
    here, there = LLMName.parse("openai:qwen3@http://127.0.0.1:8000/v1"), LLMName.parse("openai:qwen3@https://gpu/v1")
    assert prices(here, usage, base_url=here.base_url) == 10.0  # though nobody is paid for what runs here
    assert prices(there, usage, base_url=there.base_url) == 5.0
    assert prices(LLMName.parse("openai:qwen3"), usage) == 5.0
    # where a setting and not the name says which server it is
    assert prices(LLMName.parse("openai:qwen3"), usage, base_url="http://127.0.0.1:8000/v1/") == 10.0
    assert prices(LLMName.parse("anthropic:claude-haiku-4-5"), usage) == 7.0


def test_cached_and_written_tokens_have_prices_of_their_own(tmp_path):
    prices, usage = loaded(tmp_path, OWN), Usage(input_tokens=1000, cached_tokens=600, output_tokens=100)
    name = LLMName.parse("openai:qwen3@http://127.0.0.1:8000/v1")
    assert prices(name, usage, written=300) == pytest.approx((100 * 2 + 600 * 0.5 + 300 * 3 + 100 * 8) / MILLION)
    plain = LLMName.parse("openai:qwen3")
    assert prices(plain, usage, written=300) == pytest.approx((1000 * 1 + 100 * 4) / MILLION)


@given(
    *[st.floats(0, 1e6)] * 4,
    *[st.integers(0, 10**6)] * 4,
)
def test_no_call_costs_more_than_the_most(fresh, cached, written, output, n_fresh, n_cached, n_written, n_output):
    own = Price(input=fresh, cached=cached, written=written, output=output)
    prices, name = Prices({"openai:m": own}), LLMName.parse("openai:m")
    usage = Usage(input_tokens=n_fresh + n_cached + n_written, cached_tokens=n_cached, output_tokens=n_output)
    assert prices(name, usage, written=n_written) <= prices.most(name, usage) * (1 + 1e-9)


def test_without_prices_of_ones_own_all_are_those_of_the_package():
    usage, name = Usage(input_tokens=1000, output_tokens=100), LLMName.parse("anthropic:claude-haiku-4-5")
    prices = load_facts(settings()).prices
    assert prices(name, usage) == price("anthropic", "claude-haiku-4-5", usage)
    written = price("anthropic", "claude-haiku-4-5", usage, cache_write_tokens=1000)
    assert prices.most(name, usage) == written > prices(name, usage)
    assert prices(LLMName.parse("openai:m@http://127.0.0.1:1/v1"), usage, base_url="http://127.0.0.1:1/v1") == 0.0
    assert prices.most(LLMName.parse("openai:no-such-model"), usage) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "this is not JSON"),
        ("[]", "valid dictionary"),
        ({"openai:m": 7}, "openai:m"),
        ({"openai:m": {"input": 1}}, "output.*Field required"),
        ({"openai:m": {"input": -1, "output": 1}}, "input.*greater than or equal to 0"),
        ({"openai:m": {"input": "1", "output": 1}}, "input.*valid number"),
        ('{"openai:m": {"input": NaN, "output": 1}}', "input.*finite"),
        ({"openai:m": {"input": 1, "output": 1, "per": 2}}, "per.*not permitted"),
        ({"gpt-5": {"input": 1, "output": 1}}, "gpt-5.*provider:model"),
        ({"openai:m@http://u:hunter2@h/v1": {"input": 1, "output": 1}}, "base url"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, value, message):
    with pytest.raises(InputError, match=message) as caught:
        loaded(tmp_path, value)
    assert str(caught.value).startswith("LABELER_PRICES: ")
    assert str(caught.value).isprintable()
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"LABELER_PRICES: cannot read '.*none.json': No such file"):
        load_facts(settings(prices=tmp_path / "none.json"))
    with pytest.raises(InputError, match="LABELER_PRICES: cannot read"):
        load_facts(settings(prices=tmp_path))
