"""What is read out of a message of Claude, whatever JSON it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Usage
from labeler.llm.providers.anthropic import read_reply
from tests.unit.llm.providers.test_chat_completions import JSON

COUNTS = {"input_tokens": 100, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 10}


def message(*blocks, stop="end_turn", usage=COUNTS):
    return {"content": list(blocks), "stop_reason": stop, "usage": usage}


def text(value):
    return {"type": "text", "text": value}


def priced(usage, written):
    return usage.input_tokens + written / 1000


@pytest.mark.parametrize(
    ("body", "said", "stop"),
    [
        (message(text("months")), "months", "end"),
        (message({"type": "thinking", "thinking": "hm", "signature": "s"}, text("a"), text("b")), "ab", "end"),
        (message({"type": "thinking", "thinking": "hm"}, stop="max_tokens"), "", "truncated"),
        (message(text("cut"), stop="model_context_window_exceeded"), "cut", "truncated"),
        (message(stop="refusal"), "", "refused"),
        (message(), "", "end"),
        (message(text("a\0b\ud83dc")), "a\ufffdb\ufffdc", "end"),
    ],
)
def test_what_a_message_says(body, said, stop):
    reply = read_reply(body, priced)
    assert (reply.text, reply.stop) == (said, stop)
    assert reply.usage == Usage(input_tokens=190, cached_tokens=60, output_tokens=10, usd=190.03)


@pytest.mark.parametrize("counts", [None, {}, {"input_tokens": 1}, {"input_tokens": "1", "output_tokens": 1}])
def test_a_message_without_counts_is_none(counts):
    with pytest.raises(MalformedError) as caught:
        read_reply(message(text("x"), usage=counts), priced)
    assert caught.value.maybe_billed


@given(
    JSON
    | st.builds(
        lambda content, stop, usage: {"content": content, "stop_reason": stop, "usage": usage}, JSON, JSON, JSON
    )
)
def test_whatever_comes_back_is_a_reply_or_malformed(body):
    try:
        reply = read_reply(body, priced)
    except MalformedError:
        return
    reply.text.encode()


@given(st.lists(JSON, max_size=3), JSON)
def test_whatever_stands_among_the_blocks_is_passed_over(blocks, stop):
    reply = read_reply(message(text("a"), *blocks, {"type": "text", "text": blocks}, stop=stop), priced)
    assert reply.text.startswith("a")
