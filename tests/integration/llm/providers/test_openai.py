"""The backend of OpenAI's API and of the servers that imitate it, against one that does."""

import asyncio
import json
import socket

import pytest
from pydantic import BaseModel

from labeler.llm.answers import read_answer
from labeler.llm.calls import ask_until_answered
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
from labeler.llm.providers.chat_completions import THINKING_TOKENS
from labeler.llm.providers.openai import OpenAIBackend
from tests.fakes.account import Kept
from tests.fakes.environment import settings
from tests.fakes.provider import (
    FakeProvider,
    ProviderThread,
    answer,
    fail,
    hang,
    json_answer,
    refusal,
    reset,
    truncated,
)
from tests.integration.llm.schemas import LABEL, Label

KEY = "key-of-this-very-host"
PLAIN = Request(prompt="Which words?", system="You name features.", max_tokens=77)
FORMED = Request(prompt="Which words?", system="You name features.", schema=Label)


def opened(provider, **values):
    host = provider.url.removeprefix("http://")
    return open_backend(f"openai:qwen3@{provider.url}/v1", settings(api_keys=f"{host}={KEY}", **values))


def official(provider, **options):
    """A backend that takes the fake for OpenAI's own host."""
    endpoint = Endpoint(base_url=f"{provider.url}/v1", key=KEY, official=True, trusted=True)
    return OpenAIBackend(LLMName.parse("openai:gpt-5-nano"), endpoint, **options)


async def answered(backend, request):
    """The answer to one request."""
    return read_answer(await backend.ask(request), request, backend.name)


async def ask(*requests, script=(), backend=opened):
    """The answers to requests, one after the other, and the provider that gave them."""
    async with FakeProvider(*script) as provider:
        used = backend(provider)
        try:
            return [await answered(used, request) for request in requests], provider
        finally:
            await used.close()


async def failure(request, *script, backend=opened):
    """The error that one request ends with."""
    with pytest.raises((AccessError, BusyError, MalformedError, RefusedError, RejectedError, TimedOutError)) as caught:
        await ask(request, script=script, backend=backend)
    assert str(caught.value).isprintable()
    assert KEY not in str(caught.value)
    return caught.value


async def test_a_plain_answer():
    (given,), provider = await ask(PLAIN, script=[answer(" months \n")])
    assert (given.text, given.parsed) == ("months", None)
    (asked,) = provider.asked
    assert (asked.prompt, asked.system, asked.key) == ("Which words?", "You name features.", KEY)
    assert asked.body.keys() == {"model", "messages", "max_tokens"}
    assert asked.body["max_tokens"] == 77


async def test_the_own_host_gets_the_newest_name_of_the_limit():
    (_,), provider = await ask(PLAIN, backend=official)
    assert provider.asked[0].body["max_completion_tokens"] == 77 + THINKING_TOKENS
    assert "max_tokens" not in provider.asked[0].body


async def test_the_own_host_is_asked_to_think_little():
    _, provider = await ask(PLAIN, backend=official)
    assert provider.asked[0].body["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    "said",
    [
        "Unrecognized request argument supplied: reasoning_effort",
        "Unsupported value: 'reasoning_effort' does not support 'low' with this model. Supported values are: 'high'.",
    ],
)
async def test_a_model_that_cannot_be_told_how_much_to_think_is_told_no_more(said):
    def behave(asked):
        return fail(400, said) if "reasoning_effort" in asked.body else answer("ok")

    given, provider = await ask(PLAIN, PLAIN, script=[behave], backend=official)
    assert [one.text for one in given] == ["ok", "ok"]
    assert ["reasoning_effort" in asked.body for asked in provider.asked] == [True, False, False]


async def test_a_model_that_takes_neither_temperature_nor_effort():
    def behave(asked):
        rejected = [part for part in ("temperature", "reasoning_effort") if part in asked.body]
        return fail(400, f"Unsupported parameter: '{rejected[0]}'") if rejected else answer("ok")

    warm = Request(prompt="?", temperature=0.5)
    _, provider = await ask(warm, warm, script=[behave], backend=official)
    assert len(provider.asked) == 4


async def test_a_strict_schema_holds_no_defaults():
    class Inner(BaseModel):
        default: str = "a property of this name"

    class Outer(BaseModel):
        label: str = "months"
        nothing: str | None = None
        inner: Inner = Inner()
        several: list[Inner] = []

    text = '{"label": "x", "nothing": null, "inner": {"default": "y"}, "several": []}'
    (given,), provider = await ask(Request(prompt="?", schema=Outer), script=[answer(text)])
    assert given.parsed.inner.default == "y"
    schema = provider.asked[0].schema
    assert schema["required"] == ["label", "nothing", "inner", "several"]
    assert schema["$defs"]["Inner"]["properties"] == {"default": {"title": "Default", "type": "string"}}
    assert [name for name, part in schema["properties"].items() if "default" in part] == []


async def test_a_server_that_wants_the_newest_name_of_the_limit_gets_it_from_then_on():
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    _, provider = await ask(PLAIN, PLAIN, script=[fail(400, said)])
    assert ["max_tokens" in asked.body for asked in provider.asked] == [True, False, False]
    assert provider.asked[2].body["max_completion_tokens"] == 77


async def test_an_answer_of_a_wanted_form():
    (given,), provider = await ask(FORMED, script=[json_answer(LABEL)])
    assert given.parsed == Label(**LABEL)
    sent = provider.asked[0].body["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == ("Label", True)
    assert sent["schema"]["additionalProperties"] is False


async def test_thinking_in_the_text_is_not_the_answer():
    (given, plain), _ = await ask(
        FORMED, PLAIN, script=[json_answer(LABEL, thinking="{"), answer("yes", thinking="a\nb")]
    )
    assert given.parsed == Label(**LABEL)
    assert plain.text == "yes"


async def test_usage_and_its_price():
    counts = {"input_tokens": 1000, "cached_tokens": 600, "output_tokens": 40}
    (here,), _ = await ask(PLAIN, script=[answer("x", **counts)])
    (there,), _ = await ask(PLAIN, script=[answer("x", **counts)], backend=official)
    assert here.usage == Usage(input_tokens=1000, cached_tokens=600, output_tokens=40, usd=0.0)
    assert there.usage.usd == price("openai", "gpt-5-nano", here.usage) > 0


async def test_a_server_that_counts_nothing():
    raw = '{"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}'
    (here,), _ = await ask(PLAIN, script=[answer("", raw=raw)])
    (there,), _ = await ask(PLAIN, script=[answer("", raw=raw)], backend=official)
    assert (here.text, here.usage) == ("yes", Usage(usd=0.0))
    assert there.usage == Usage(usd=None)


async def test_a_rejected_temperature_is_left_out_from_then_on():
    warm = Request(prompt="?", temperature=0.0)
    said = "Unsupported value: 'temperature' does not support 0 with this model."
    _, provider = await ask(warm, warm, script=[fail(400, said)], backend=official)
    assert [asked.body.get("temperature") for asked in provider.asked] == [0.0, None, None]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "text", ['{"label": "months", "confidence": 0.8}', '```json\n{"label": "months", "confidence": 0.8}\n```']
)
async def test_a_server_without_schemas_is_asked_in_words_from_then_on(status, text):
    script = [fail(status, "extra fields not permitted: response_format"), answer(text), answer(text)]
    given, provider = await ask(FORMED, FORMED, script=script)
    assert [one.parsed for one in given] == [Label(**LABEL)] * 2
    assert [asked.schema is None for asked in provider.asked] == [False, True, True]
    for asked in provider.asked[1:]:
        assert asked.system.startswith("You name features.\n\n")
        assert '"confidence"' in asked.system


async def test_several_lessons_in_one_request():
    request = Request(prompt="?", schema=Label, temperature=0.5)
    script = [fail(400, "no response_format"), fail(400, "no temperature"), json_answer(LABEL), json_answer(LABEL)]
    given, provider = await ask(request, request, script=script)
    assert [one.parsed for one in given] == [Label(**LABEL)] * 2
    assert len(provider.asked) == 4


async def test_a_server_that_overlooks_the_schema_twice_is_asked_in_words_from_then_on():
    async with FakeProvider(*[answer("It is about months.")] * 2, json_answer(LABEL)) as provider:
        backend = opened(provider)
        for _ in range(2):
            with pytest.raises(MalformedError) as caught:
                await answered(backend, FORMED)
            assert caught.value.usage.output_tokens == 10
        assert (await answered(backend, FORMED)).parsed == Label(**LABEL)
        await backend.close()
    assert [asked.schema is None for asked in provider.asked] == [False, False, True]


async def test_a_model_that_misses_the_form_after_it_was_right_is_asked_by_the_schema_still():
    script = [json_answer(LABEL), *[answer("It is about months.")] * 3, json_answer(LABEL)]
    async with FakeProvider(*script) as provider:
        backend = opened(provider)
        await asyncio.gather(*(backend.ask(FORMED) for _ in script))
        await backend.close()
    assert all(asked.schema is not None for asked in provider.asked)


async def test_of_many_questions_at_once_none_is_lost_to_a_server_that_overlooks_the_schema():
    def behave(asked):
        return answer("It is about months.", seconds=0.01) if asked.schema else json_answer(LABEL)

    async with FakeProvider(behave) as provider:
        backend = opened(provider)
        given = await asyncio.gather(*(ask_until_answered(backend, FORMED, record=Kept()) for _ in range(20)))
        await backend.close()
    assert [one.parsed for one in given] == [Label(**LABEL)] * 20


async def test_what_a_server_does_not_take_is_known_to_the_next_process(tmp_path):
    def behave(asked):
        refused = [part for part in ("response_format", "temperature") if part in asked.body]
        return fail(400, f"cannot take {refused[0]}") if refused else json_answer(LABEL)

    warm = Request(prompt="?", schema=Label, temperature=0.5)
    async with FakeProvider(behave) as provider:
        for home in (tmp_path, tmp_path, tmp_path / "another"):
            backend = opened(provider, home=home)
            await answered(backend, warm)
            await backend.close()
    tried = [[part for part in ("response_format", "temperature") if part in asked.body] for asked in provider.asked]
    learning = [["response_format", "temperature"], ["temperature"], []]
    assert tried == [*learning, [], *learning]


async def test_the_body_is_what_is_sent():
    request = Request(prompt="p", system="s", schema=Label, temperature=0.5, max_tokens=9)
    async with FakeProvider(json_answer(LABEL), json_answer(LABEL)) as provider:
        for backend in (opened(provider), official(provider)):
            body = backend.body(request)
            await backend.ask(request)
            assert provider.asked[-1].body == body
            await backend.close()


async def test_the_user_s_own_price_is_what_is_counted(tmp_path):
    async with FakeProvider(answer("x", input_tokens=1000, cached_tokens=600, output_tokens=40)) as provider:
        own = {f"openai:qwen3@{provider.url}/v1": {"input": 2.0, "cached": 0.5, "output": 8.0}}
        (tmp_path / "prices.json").write_text(json.dumps(own))
        backend = opened(provider, prices=tmp_path / "prices.json")
        reply = await backend.ask(PLAIN)
        bound = backend.bound(PLAIN)
        await backend.close()
    assert reply.usage.usd == pytest.approx((400 * 2 + 600 * 0.5 + 40 * 8) / 1e6)
    assert bound.usd == pytest.approx((bound.input_tokens * 2 + bound.output_tokens * 8) / 1e6)


async def test_a_fenced_answer_to_a_schema_is_taken_and_teaches_nothing():
    script = [
        answer('Here:\n```\n{"label": "a ``` b", "confidence": 1}\n```'.replace(" ``` ", " ")),
        json_answer(LABEL),
    ]
    given, provider = await ask(FORMED, FORMED, script=script)
    assert given[0].parsed.label == "a b"
    assert all(asked.schema for asked in provider.asked)


async def test_on_the_own_host_a_rejected_schema_is_an_error():
    error = await failure(FORMED, fail(400, "Invalid schema for response_format 'Label'"), backend=official)
    assert isinstance(error, RejectedError)


async def test_many_at_once_all_learn_from_their_own_rejection():
    def behave(asked):
        return fail(400, "no temperature") if "temperature" in asked.body else answer(asked.prompt, seconds=0.01)

    async with FakeProvider(behave) as provider:
        backend = opened(provider)
        requests = [Request(prompt=str(i), temperature=1.0) for i in range(50)]
        given = await asyncio.gather(*(backend.ask(request) for request in requests))
        await backend.close()
    assert [one.text for one in given] == [request.prompt for request in requests]
    assert len(provider.billed) == 50


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (truncated(), TruncatedError),
        (refusal(), RefusedError),
        (answer(""), MalformedError),
        (answer('{"label": "mon'), MalformedError),
        (json_answer({"label": "months"}), MalformedError),
        (answer('```json\n{"label": 1}\n```'), MalformedError),
    ],
)
@pytest.mark.parametrize("backend", [opened, official])
async def test_a_useless_answer_is_an_error_that_carries_what_it_cost(behaviour, kind, backend):
    with pytest.raises(kind) as caught:
        await ask(FORMED, script=[behaviour], backend=backend)
    assert type(caught.value) is kind
    assert (caught.value.usage.input_tokens, caught.value.usage.output_tokens) == (100, 10)
    assert not caught.value.maybe_billed


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, BusyError) for status in (429, 500, 502, 503, 504, 529)],
        *[(status, AccessError) for status in (401, 403)],
        *[(status, RejectedError) for status in (400, 404, 413, 422, 307)],
    ],
)
async def test_what_a_status_means(status, kind):
    error = await failure(PLAIN, fail(status, f"nothing\nfor {KEY}", headers={"retry-after": "3"}))
    assert isinstance(error, kind)
    whose = " (the key is that of 127.0.0.1 in LABELER_API_KEYS)" if kind is AccessError else ""
    assert str(error).endswith(f": HTTP {status}: nothing for [key]{whose}")
    if kind is BusyError:
        assert error.retry_after == 3.0


async def test_limits_come_with_answers_and_with_failures():
    headers = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"}
    async with FakeProvider(answer("x", headers=headers), fail(429, headers=headers)) as provider:
        backend = opened(provider)
        assert (await backend.ask(PLAIN)).limits.requests.limit == 500
        with pytest.raises(BusyError) as caught:
            await backend.ask(PLAIN)
        assert caught.value.limits.requests.remaining == 499
        assert (await backend.ask(PLAIN)).limits is None
        await backend.close()


async def test_a_spent_quota_is_not_a_busy_provider():
    raw = (
        '{"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}}'
    )
    assert isinstance(await failure(PLAIN, answer("", status=429, raw=raw)), AccessError)


async def test_a_refusal_says_why():
    assert "I would rather not" in str(await failure(PLAIN, refusal("I would rather not")))


async def test_a_reset_connection_is_busy_and_perhaps_paid():
    error = await failure(PLAIN, reset())
    assert isinstance(error, BusyError)
    assert error.maybe_billed


async def test_no_answer_in_time():
    error = await failure(PLAIN, hang(), backend=lambda provider: official(provider, seconds=0.3))
    assert isinstance(error, TimedOutError)
    assert error.maybe_billed


@pytest.mark.parametrize(
    "raw",
    [
        "<html>hello</html>",
        "{",
        "[]",
        '"text"',
        "{}",
        '{"choices": [{}]}',
        '{"choices": [{"message": {"content": 7}}]}',
    ],
)
async def test_a_body_that_is_no_completion(raw):
    assert isinstance(await failure(PLAIN, answer("", raw=raw)), MalformedError)


async def test_a_server_that_is_not_there_is_busy_and_not_paid():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and listening to nobody
        backend = open_backend(f"openai:m@http://127.0.0.1:{taken.getsockname()[1]}/v1", settings())
        with pytest.raises(BusyError, match="cannot be reached") as caught:
            await backend.ask(PLAIN)
        await backend.close()
    assert not caught.value.maybe_billed


async def test_a_prompt_that_cannot_be_sent_is_rejected():
    assert isinstance(await failure(Request(prompt="half a \ud83d character")), RejectedError)


async def test_nothing_of_the_environment_reaches_a_foreign_host(monkeypatch):
    for variable in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{variable}", "leaked")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: leaked\nX-Other: leaked")
    async with FakeProvider() as provider:
        for listed in (None, "127.0.0.1=" + KEY):
            backend = open_backend(f"openai:m@{provider.url}/v1", settings(api_keys=listed))
            await backend.ask(PLAIN)
            await backend.close()
    assert [asked.key for asked in provider.asked] == ["no-key-is-used", KEY]
    assert "leaked" not in repr(provider.asked)


async def test_the_server_that_the_setting_names_is_the_default_and_gets_the_provider_s_key():
    async with FakeProvider() as provider:
        backend = open_backend("openai:m", settings(openai_api_key="own", openai_base_url=f"{provider.url}/v1"))
        await backend.ask(PLAIN)
        await backend.close()
    assert [asked.key for asked in provider.asked] == ["own"]


async def test_no_key_follows_a_redirect():
    async with FakeProvider() as other:
        redirect = fail(307, headers={"location": f"{other.url}/v1/chat/completions"})
        assert isinstance(await failure(PLAIN, redirect), RejectedError)
    assert other.asked == []


async def test_the_own_host_gives_no_logprobs_and_is_not_asked_for_any():
    async with FakeProvider() as provider:
        backend = official(provider)
        assert not backend.capabilities.logprobs
        with pytest.raises(RejectedError, match="gives no log-probabilities of a given text"):
            await backend.logprobs("a", ["b"])
        await backend.close()
    assert provider.asked == []


async def test_what_is_recorded_is_what_was_billed():
    account = Kept()

    async def no_sleep(_):
        pass

    script = [fail(529), answer("junk"), reset(), json_answer({"label": 1}, output_tokens=33), json_answer(LABEL)]
    async with FakeProvider(*script) as provider:
        backend = opened(provider)
        given = await ask_until_answered(backend, FORMED, record=account, sleep=no_sleep)
        await backend.close()
    assert given.parsed == Label(**LABEL)
    assert [outcome for _, outcome in account.recorded] == ["malformed", "unknown", "malformed", "answered"]
    known = [usage for usage, outcome in account.recorded if outcome != "unknown"]
    assert [usage.output_tokens for usage in known] == [behaviour.output_tokens for behaviour in provider.billed]


def test_the_fake_runs_in_a_thread_beside_other_loops():
    async def one(url):
        backend = open_backend(f"openai:m@{url}/v1", settings())
        try:
            return (await backend.ask(PLAIN)).text
        finally:
            await backend.close()

    with ProviderThread(lambda asked: answer(asked.prompt.upper())) as thread:
        assert asyncio.run(one(thread.url)) == "WHICH WORDS?"
        assert len(thread.provider.asked) == 1
