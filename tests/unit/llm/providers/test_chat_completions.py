"""OpenAI's chat completions as JSON: what is sent, and what is read out of whatever comes back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.providers.chat_completions import (
    THINKING_TOKENS,
    ResultLine,
    chat_body,
    read_reply,
    read_result,
    request_line,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
COUNTS = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}


class Word(BaseModel):
    word: str


def a_cent(usage):
    return 0.01


def completion(content, finish="stop", usage=COUNTS, **message):
    return {"choices": [{"message": {"content": content, **message}, "finish_reason": finish}], "usage": usage}


def test_what_is_sent():
    request = Request(prompt="p", system="s", schema=Word, max_tokens=50, temperature=0.5)
    here = chat_body("m", request, own_host=False)
    assert here["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}]
    assert here["response_format"]["json_schema"]["strict"] is True
    assert {k: v for k, v in here.items() if k not in ("messages", "response_format")} == {
        "model": "m",
        "max_tokens": 50,
        "temperature": 0.5,
    }
    there = chat_body("m", request, own_host=True)
    assert there["max_completion_tokens"] == 50 + THINKING_TOKENS
    assert there["reasoning_effort"] == "low"


def test_what_a_host_does_not_take_is_left_out_or_put_otherwise():
    request = Request(prompt="p", schema=Word, max_tokens=50, temperature=0.5)
    everything = frozenset({"temperature", "reasoning_effort", "response_format", "max_tokens"})
    body = chat_body("m", request, own_host=False, without=everything)
    assert body.keys() == {"model", "messages", "max_completion_tokens"}
    assert body["max_completion_tokens"] == 50
    assert '"word"' in body["messages"][0]["content"]
    assert "reasoning_effort" not in chat_body("m", request, own_host=True, without=everything)


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (completion(" months "), Reply(text=" months ")),
        (completion("<think>hm\n{}</think>\nmonths"), Reply(text="\nmonths")),
        (completion("hm\n{}</think>\nmonths"), Reply(text="\nmonths")),
        (completion("<think>hm, {}", "length"), Reply(text="", stop="truncated")),
        (completion('{"word": "</think>"}'), Reply(text='{"word": "</think>"}')),
        (completion("so <think> is a word </think>"), Reply(text="so <think> is a word </think>")),
        (completion("months", reasoning_content="let me see"), Reply(text="months")),
        (completion(None, reasoning_content="let me"), Reply(text="")),
        (completion([{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]), Reply(text="a")),
        (completion("cut o", "length"), Reply(text="cut o", stop="truncated")),
        (completion(None, "length", reasoning_content="let me"), Reply(stop="truncated")),
        (completion("", "content_filter"), Reply(stop="refused")),
        (completion(None, refusal="I would rather not"), Reply(stop="refused", said="I would rather not")),
        (completion("a\0b\ud83dc"), Reply(text="a\ufffdb\ufffdc")),
        ({"choices": [], "usage": COUNTS}, Reply()),
    ],
)
def test_what_a_completion_says(body, reply):
    found = read_reply(body, a_cent)
    assert (found.text, found.stop, found.said) == (reply.text, reply.stop, reply.said)
    assert found.usage == Usage(input_tokens=100, cached_tokens=60, output_tokens=10, usd=0.01)


CUT = ["length", "model_length", "MAX_TOKENS", "max_tokens", "max_output_tokens", "model_context_window_exceeded"]
WHOLE = ["stop", "eos_token", "STOP", "end_turn", "tool_calls", None, 7, "stop_sequence", ""]


@pytest.mark.parametrize(("reason", "stop"), [(one, "truncated") for one in CUT] + [(one, "end") for one in WHOLE])
def test_how_an_answer_ended_in_the_words_of_many_servers(reason, stop):
    assert read_reply(completion("x", reason), a_cent).stop == stop


@pytest.mark.parametrize(
    "counts", [None, {}, [], {"prompt_tokens": 1}, {**COUNTS, "prompt_tokens": -1}, {**COUNTS, "prompt_tokens": 2**31}]
)
def test_a_server_that_counts_nothing(counts):
    assert read_reply(completion("x", usage=counts), a_cent).usage == Usage(usd=None)
    assert read_reply(completion("x", usage=counts), lambda usage: 0.0).usage == Usage(usd=0.0)


def test_more_cached_than_read_is_not_believed():
    counts = {**COUNTS, "prompt_tokens_details": {"cached_tokens": 101}}
    assert read_reply(completion("x", usage=counts), a_cent).usage.cached_tokens == 100


@given(JSON | st.builds(completion, JSON, JSON, JSON, refusal=JSON) | st.fixed_dictionaries({"choices": JSON}))
def test_whatever_comes_back_is_a_reply_or_malformed(body):
    try:
        reply = read_reply(body, a_cent)
    except MalformedError:
        return
    (reply.text + reply.said).encode()
    assert "\0" not in reply.text + reply.said
    assert 0 <= reply.usage.cached_tokens <= reply.usage.input_tokens < 2**31


@pytest.mark.parametrize("body", [None, [], "text", {}, {"choices": [{}]}, {"choices": [{"message": {"content": 7}}]}])
def test_nobody_knows_whether_what_is_no_completion_was_billed(body):
    with pytest.raises(MalformedError, match="this is not a chat completion") as caught:
        read_reply(body, a_cent)
    assert caught.value.maybe_billed


def test_a_line_of_a_batch():
    assert request_line("b1-0", {"model": "m"}) == {
        "custom_id": "b1-0",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m"},
    }


def line(**parts):
    return json.dumps({"id": "r", "custom_id": "c", "response": None, "error": None, **parts})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (line(response={"status_code": 200, "body": {"a": 1}}), ResultLine(custom_id="c", status=200, body={"a": 1})),
        (line(response={"status_code": 400}), ResultLine(custom_id="c", status=400, body=None)),
        (
            line(error={"code": "batch_expired", "message": "late"}),
            ResultLine(
                custom_id="c", status=None, body={"code": "batch_expired", "message": "late"}, code="batch_expired"
            ),
        ),
        (line(error="late"), ResultLine(custom_id="c", status=None, body="late")),
    ],
)
def test_a_line_of_results(text, found):
    assert read_result(text) == read_result(text.encode()) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5_000, "not JSON"),
        ("[]", "no custom_id"),
        ('{"custom_id": 7}', "no custom_id"),
        (line(), "neither a response nor an error"),
        (line(response={"status_code": True}), "neither"),
    ],
)
def test_what_is_no_line_of_results_is_an_error_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_result(text)
    assert str(caught.value).isprintable()


@given(JSON)
def test_whatever_stands_in_a_line_is_a_result_or_no_line(value):
    for text in (json.dumps(value), json.dumps({"custom_id": "c", "response": value, "error": value})):
        try:
            found = read_result(text)
        except ValueError:
            continue
        assert isinstance(found.custom_id, str)
