"""The backend of Anthropic's API, against a server that speaks it."""

import email.utils
import socket
import time

import pytest

from labeler.llm.answers import read_answer
from labeler.llm.endpoints import Endpoint
from labeler.llm.errors import (
    AccessError,
    BusyError,
    MalformedError,
    RefusedError,
    RejectedError,
    TimedOutError,
    TruncatedError,
)
from labeler.llm.names import LLMName, open_backend
from labeler.llm.prices import price
from labeler.llm.protocol import Request, Usage
from labeler.llm.providers.anthropic import AnthropicBackend
from tests.fakes.environment import settings
from tests.fakes.provider import FakeProvider, answer, fail, hang, json_answer, refusal, reset, truncated
from tests.integration.llm.schemas import LABEL, Label

KEY = "key-of-this-very-host"
PLAIN = Request(prompt="Which words?", system="You name features.", max_tokens=77)
FORMED = Request(prompt="Which words?", schema=Label)


def opened(provider, **values):
    host = provider.url.removeprefix("http://")
    return open_backend(f"anthropic:claude-haiku-4-5@{provider.url}", settings(api_keys=f"{host}={KEY}", **values))


async def ask(request, *behaviours):
    """The answer to one request, and the provider that gave it."""
    async with FakeProvider(*behaviours) as provider:
        backend = opened(provider)
        try:
            return read_answer(await backend.ask(request), request, backend.name), provider
        finally:
            await backend.close()


async def failure(request, *behaviours):
    """The error that one request ends with."""
    with pytest.raises((AccessError, BusyError, MalformedError, RefusedError, RejectedError, TimedOutError)) as caught:
        await ask(request, *behaviours)
    message = str(caught.value)
    assert message.startswith("anthropic:claude-haiku-4-5@http://127.0.0.1:")
    assert message.isprintable()
    assert KEY not in message
    assert caught.value.__cause__ is None
    return caught.value


async def test_a_plain_answer():
    given, provider = await ask(PLAIN, answer(" months \n", thinking="Let me see: {}"))
    assert given.text == "months"
    assert given.parsed is None
    (asked,) = provider.asked
    assert (asked.prompt, asked.system, asked.key) == ("Which words?", "You name features.", KEY)
    assert asked.body["max_tokens"] == 77
    assert asked.body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert asked.schema is None
    assert "temperature" not in asked.body


async def test_an_answer_of_a_wanted_form():
    given, provider = await ask(FORMED, json_answer(LABEL, thinking="hm"))
    assert given.parsed == Label(**LABEL)
    assert provider.asked[0].schema["properties"].keys() == {"label", "confidence"}
    assert "system" not in provider.asked[0].body


async def test_usage_counts_all_input_and_costs_nothing_here():
    counts = {"input_tokens": 1000, "cached_tokens": 600, "written_tokens": 300, "output_tokens": 40}
    given, _ = await ask(PLAIN, answer("x", **counts))
    assert given.usage == Usage(input_tokens=1000, cached_tokens=600, output_tokens=40, usd=0.0)


async def test_the_provider_s_own_host_is_paid_for_cache_writes_too():
    async with FakeProvider(answer("x", input_tokens=1000, cached_tokens=600, written_tokens=300)) as provider:
        endpoint = Endpoint(base_url=provider.url, key=KEY, official=True, trusted=True)
        backend = AnthropicBackend(LLMName.parse("anthropic:claude-haiku-4-5"), endpoint)
        usage = (await backend.ask(PLAIN)).usage
        await backend.close()
    expected = Usage(input_tokens=1000, cached_tokens=600, output_tokens=10)
    assert usage.usd == price("anthropic", "claude-haiku-4-5", expected, cache_write_tokens=300)
    assert usage.usd > price("anthropic", "claude-haiku-4-5", expected)


async def test_the_body_is_what_is_sent():
    request = Request(prompt="p", system="s", schema=Label, temperature=0.5, max_tokens=9)
    async with FakeProvider(json_answer(LABEL)) as provider:
        backend = opened(provider)
        body = backend.body(request)
        await backend.ask(request)
        await backend.close()
    assert provider.asked[0].body == body


async def test_a_rejected_temperature_is_left_out_from_then_on():
    async with FakeProvider(fail(400, "`temperature` is not supported for this model")) as provider:
        backend = opened(provider)
        for _ in range(2):
            await backend.ask(Request(prompt="?", temperature=0.7))
        await backend.close()
    assert [asked.body.get("temperature") for asked in provider.asked] == [0.7, None, None]


async def test_a_rejection_that_only_quotes_the_word_teaches_nothing():
    quotes = fail(400, "cannot take the prompt 'high temperature'")
    async with FakeProvider(quotes, quotes, answer("ok")) as provider:
        backend = opened(provider)
        with pytest.raises(RejectedError):
            await backend.ask(Request(prompt="high temperature", temperature=0.7))
        await backend.ask(Request(prompt="?", temperature=0.7))
        await backend.close()
    assert [asked.body.get("temperature") for asked in provider.asked] == [0.7, None, 0.7]


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (truncated(), TruncatedError),
        (refusal(), RefusedError),
        (answer(""), MalformedError),
        (answer("", thinking="only thoughts"), MalformedError),
        (answer('{"label": "mon'), MalformedError),
        (json_answer({"label": "months"}), MalformedError),
        (json_answer({"label": "months", "confidence": 7}), MalformedError),
    ],
)
async def test_a_useless_answer_is_an_error_that_carries_what_it_cost(behaviour, kind):
    # The errors that `failure` awaits do not list TruncatedError, which must not pass for another.
    with pytest.raises(kind) as caught:
        await ask(FORMED, behaviour)
    assert type(caught.value) is kind
    assert caught.value.usage == Usage(input_tokens=100, output_tokens=10, usd=0.0)
    assert not caught.value.maybe_billed


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, BusyError) for status in (429, 500, 502, 503, 504, 529)],
        *[(status, AccessError) for status in (401, 403)],
        *[(status, RejectedError) for status in (400, 404, 413, 422, 307)],
        (408, TimedOutError),
    ],
)
async def test_what_a_status_means(status, kind):
    error = await failure(PLAIN, fail(status, "nothing\nfor you"))
    assert isinstance(error, kind)
    whose = " (the key is that of 127.0.0.1 in LABELER_API_KEYS)" if kind is AccessError else ""
    assert str(error).endswith(f": HTTP {status}: nothing for you{whose}")
    assert getattr(error, "usage", None) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
async def test_how_long_to_wait(headers, seconds):
    assert (await failure(PLAIN, fail(429, headers=headers))).retry_after == seconds


async def test_how_long_to_wait_as_a_date():
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    assert 3500 < (await failure(PLAIN, fail(529, headers={"retry-after": date}))).retry_after <= 3600


async def test_an_account_without_money_is_not_a_busy_provider():
    error = await failure(PLAIN, fail(400, "Your credit balance is too low to access the API."))
    assert isinstance(error, AccessError)


async def test_messages_are_short_clean_and_without_keys():
    echo = f"bad key {KEY} \x1b[31m\r\n\u202e sk-ant-api03-abcdefgh*** " + "long " * 200
    message = str(await failure(PLAIN, fail(401, echo)))
    assert "[key] [31m [key]" in message
    said, whose = message.split("HTTP 401: ")[1].split(" (the key is that of ")
    assert len(said) <= 200
    assert whose == "127.0.0.1 in LABELER_API_KEYS)"


async def test_a_reset_connection_is_busy_and_perhaps_paid():
    error = await failure(PLAIN, reset())
    assert isinstance(error, BusyError)
    assert error.maybe_billed


async def test_a_server_that_is_not_there_is_busy_and_not_paid():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and listening to nobody
        backend = open_backend(f"anthropic:m@http://127.0.0.1:{taken.getsockname()[1]}", settings())
        with pytest.raises(BusyError, match="cannot be reached") as caught:
            await backend.ask(PLAIN)
        await backend.close()
    assert not caught.value.maybe_billed


async def test_no_answer_in_time():
    async with FakeProvider(hang()) as provider:
        endpoint = Endpoint(base_url=provider.url, key=None, official=False, trusted=False)
        backend = AnthropicBackend(LLMName.parse("anthropic:m"), endpoint, seconds=2)  # enough to arrive there
        with pytest.raises(TimedOutError) as caught:
            await backend.ask(PLAIN)
        await backend.close()
    assert caught.value.maybe_billed
    assert len(provider.asked) == 1


@pytest.mark.parametrize("raw", ["<html>hello</html>", "{", "[]", '"text"', "{}", '{"content": 7, "usage": {}}'])
async def test_a_body_that_is_no_message(raw):
    error = await failure(PLAIN, answer("", raw=raw))
    assert isinstance(error, MalformedError)


async def test_a_prompt_that_cannot_be_sent_is_rejected():
    assert isinstance(await failure(Request(prompt="half a \ud83d character")), RejectedError)


async def test_nothing_of_the_environment_reaches_a_foreign_host(monkeypatch):
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_WEBHOOK_SIGNING_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, "leaked")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Authorization: leaked\nX-Api-Key: leaked\nX-Other: leaked")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/leaked")
    async with FakeProvider() as provider:
        for listed in (None, "127.0.0.1=" + KEY):
            backend = open_backend(f"anthropic:m@{provider.url}", settings(api_keys=listed))
            await backend.ask(PLAIN)
            await backend.close()
    assert [asked.key for asked in provider.asked] == ["no-key-is-used", KEY]
    assert "leaked" not in repr(provider.asked)


async def test_no_key_follows_a_redirect():
    async with FakeProvider() as other:
        redirect = fail(307, headers={"location": f"{other.url}/v1/messages"})
        assert isinstance(await failure(PLAIN, redirect), RejectedError)
    assert other.asked == []


async def test_there_are_no_logprobs():
    async with FakeProvider() as provider:
        backend = opened(provider)
        with pytest.raises(RejectedError):
            await backend.logprobs("a", ["b"])
        await backend.close()
    assert provider.asked == []
