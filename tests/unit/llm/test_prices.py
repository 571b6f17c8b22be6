"""Prices, without a network."""

import socket

import pytest

from labeler.llm.prices import price
from labeler.llm.protocol import Usage

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
