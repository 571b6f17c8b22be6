"""Calls of which nobody can say whether they were billed, and those that are made again with more room."""

import asyncio

import pytest

from labeler.llm.calls import ask_until_answered
from labeler.llm.endpoints import Endpoint
from labeler.llm.errors import BusyError, TimedOutError, TruncatedError
from labeler.llm.names import LLMName, open_backend
from labeler.llm.prices import price
from labeler.llm.protocol import Request, Usage
from labeler.llm.providers.anthropic import AnthropicBackend
from labeler.llm.providers.chat_completions import THINKING_TOKENS
from labeler.llm.providers.openai import OpenAIBackend
from tests.fakes.account import Kept
from tests.fakes.environment import settings
from tests.fakes.provider import FakeProvider, answer, hang, json_answer, reset, truncated
from tests.integration.llm.schemas import LABEL, Label

FORMED = Request(prompt="Which wörds?", system="You name features.", schema=Label, max_tokens=50)
MODELS = {"anthropic": "claude-haiku-4-5", "openai": "gpt-5-nano"}


def official(api, url, **options):
    """A backend that takes the fake for the provider's own host, which is paid."""
    kind, path = (AnthropicBackend, "") if api == "anthropic" else (OpenAIBackend, "/v1")
    endpoint = Endpoint(base_url=url + path, key="key", official=True, trusted=True)
    return kind(LLMName(api, MODELS[api]), endpoint, **options)


class Book:
    """Asks without pauses, and keeps what was put down."""

    def __init__(self):
        self.account = Kept()

    @property
    def calls(self):
        return self.account.recorded

    async def ask(self, backend, request=FORMED, **options):
        async def no_sleep(_):
            pass

        try:
            return await ask_until_answered(backend, request, record=self.account, sleep=no_sleep, **options)
        finally:
            await backend.close()

    def usd(self, *, unknown):
        return sum(usage.usd for usage, outcome in self.calls if (outcome == "unknown") is unknown)


def charged(api, billed):
    """What the provider takes for what it billed."""
    counts = [Usage(input_tokens=each.input_tokens, output_tokens=each.output_tokens) for each in billed]
    return sum(price(api, MODELS[api], usage) for usage in counts)


@pytest.fixture(params=["anthropic", "openai"])
def api(request):
    return request.param


async def test_a_provider_that_hangs(api):
    book = Book()
    async with FakeProvider(hang(billed=True)) as provider:
        backend = official(api, provider.url, seconds=2)  # enough to arrive there
        with pytest.raises(TimedOutError):
            await book.ask(backend, attempts=1)
    assert book.calls == [(backend.bound(FORMED), "unknown")]
    assert 0 < charged(api, provider.billed) <= book.usd(unknown=True)


async def test_a_connection_that_is_reset(api):
    book = Book()
    async with FakeProvider(reset(billed=True), reset(), json_answer(LABEL)) as provider:
        await book.ask(official(api, provider.url))
    assert [outcome for _, outcome in book.calls] == ["unknown", "unknown", "answered"]
    assert charged(api, provider.billed) - book.usd(unknown=False) <= book.usd(unknown=True)


async def test_a_caller_that_is_cancelled(api):
    book, arrived = Book(), asyncio.Event()

    def behave(_):
        arrived.set()
        return hang(billed=True)

    async with FakeProvider(behave) as provider:
        backend = official(api, provider.url)
        task = asyncio.create_task(book.ask(backend))
        async with asyncio.timeout(20):
            await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert book.calls == [(backend.bound(FORMED), "unknown")]


async def test_a_page_instead_of_an_answer(api):
    book = Book()
    async with FakeProvider(answer("", raw="<html>hello</html>"), json_answer(LABEL)) as provider:
        await book.ask(official(api, provider.url))
    assert [outcome for _, outcome in book.calls] == ["unknown", "answered"]


async def test_a_server_that_is_not_there_is_not_paid(api):
    async with FakeProvider() as provider:
        url = provider.url
    book = Book()
    with pytest.raises(BusyError):
        await book.ask(official(api, url))
    assert book.calls == []


async def test_a_truncated_answer_followed_by_a_whole_one(api):
    book = Book()
    async with FakeProvider(truncated(), json_answer(LABEL)) as provider:
        assert (await book.ask(official(api, provider.url))).parsed == Label(**LABEL)
    assert [outcome for _, outcome in book.calls] == ["truncated", "answered"]
    limits = [asked.body.get("max_tokens") or asked.body["max_completion_tokens"] for asked in provider.asked]
    thinking = THINKING_TOKENS if api == "openai" else 0
    assert limits == [50 + thinking, 200 + thinking]


async def test_a_second_truncated_answer_is_the_last(api):
    async with FakeProvider(truncated(), truncated(), json_answer(LABEL)) as provider:
        with pytest.raises(TruncatedError):
            await Book().ask(official(api, provider.url))
    assert len(provider.billed) == 2


def test_a_bound_counts_bytes_and_all_room_for_the_answer(api):
    backend = official(api, "http://127.0.0.1:9")
    plain, formed = Request(prompt="é" * 1000, system="s" * 500, max_tokens=50), FORMED
    bound = backend.bound(plain)
    assert bound.input_tokens >= 2500
    assert bound.output_tokens == 50 + (THINKING_TOKENS if api == "openai" else 0)
    written = bound.input_tokens if api == "anthropic" else 0
    usage = Usage(input_tokens=bound.input_tokens, output_tokens=bound.output_tokens)
    assert bound.usd == price(api, MODELS[api], usage, cache_write_tokens=written) > 0
    without = Request(prompt=formed.prompt, system=formed.system)
    assert backend.bound(formed).input_tokens > backend.bound(without).input_tokens + 50
    assert backend.bound(Request(prompt="half a \ud83d character")).usd > 0


@pytest.mark.parametrize(("host", "usd"), [("http://127.0.0.1:9", 0.0), ("https://proxy.example", None)])
def test_a_bound_of_another_server(api, host, usd):
    backend = open_backend(f"{api}:m@{host}", settings())
    bound = backend.bound(FORMED)
    assert bound.usd == usd
    assert bound.output_tokens == 50
