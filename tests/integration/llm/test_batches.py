"""Batches of both providers, against a server that has them: sent, looked at, fetched, found again after a kill."""

import pytest

from eval.provider import Knobs, Provider
from labeler.llm.answers import read_answer
from labeler.llm.endpoints import Endpoint
from labeler.llm.errors import BusyError, LLMError, RejectedError
from labeler.llm.names import LLMName, open_backend
from labeler.llm.prices import Price, Prices
from labeler.llm.protocol import Address, Request
from labeler.llm.providers.anthropic_batches import AnthropicBatchBackend
from labeler.llm.providers.openai_batches import OpenAIBatchBackend
from labeler.llm.quirks import ServerMemory
from tests.fakes.environment import settings
from tests.fakes.provider import FakeProvider
from tests.integration.llm.schemas import Label

NOW = 1_700_000_000.0
KINDS = {"anthropic": (AnthropicBatchBackend, ""), "openai": (OpenAIBatchBackend, "/v1")}
PRICE = Price(input=1.0, cached=0.1, written=1.25, output=5.0)  # the fake's


class Clock:
    """The same time for the provider and for us; it runs when it is told."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture(params=["anthropic", "openai"])
def api(request):
    return request.param


@pytest.fixture
def clock():
    return Clock()


def opened(api, provider, clock, model="small", official=True, memory=None):
    kind, path = KINDS[api]
    name = LLMName(api, model)
    endpoint = Endpoint(base_url=provider.url + path, key="key", official=official, trusted=True)
    return kind(name, endpoint, prices=Prices({str(name): PRICE}), memory=memory, clock=clock)


def questions(backend, batch_id, n, **others):
    """So many requests, and their bodies by custom id."""
    asked = {f"{batch_id}-{i:032x}": Request(prompt=f"question {i}", schema=Label, **others) for i in range(n)}
    return asked, {custom_id: backend.body(request) for custom_id, request in asked.items()}


async def gathered(backend, provider_id):
    return {line.custom_id: line async for line in backend.results(provider_id)}


async def test_a_batch_is_answered_at_half_the_price(api, clock):
    with Provider(Knobs(batch_seconds=100), clock=clock) as provider:
        backend = opened(api, provider, clock)
        asked, bodies = questions(backend, "b1", 30)
        provider_id = await backend.submit("b1", bodies)
        clock.now += 50
        look = await backend.look(provider_id)
        assert (look.ended, look.n_requests, look.reason) == (False, 30, None)
        clock.now += 60
        look = await backend.look(provider_id)
        assert (look.ended, look.n_requests, look.n_done, look.reason) == (True, 30, 30, None)
        lines = await gathered(backend, provider_id)
        await backend.close()
        totals = provider.totals()
    assert lines.keys() == asked.keys()
    for custom_id, request in asked.items():
        assert isinstance(read_answer(lines[custom_id].reply, request, backend.name).parsed, Label)
    assert sum(line.reply.usage.usd for line in lines.values()) == pytest.approx(totals.usd)
    assert totals.calls == 30
    alone = [backend.price(line.reply.usage) for line in lines.values()]
    assert sum(alone) == pytest.approx(2 * totals.usd)


async def test_what_the_server_failed_at_and_what_expired_is_sent_again(api, clock):
    with Provider(Knobs(batch_errored=0.3, batch_expired=0.3, seed=3), clock=clock) as provider:
        backend = opened(api, provider, clock)
        _, bodies = questions(backend, "b1", 40)
        lines = await gathered(backend, await backend.submit("b1", bodies))
        await backend.close()
        n_billed = provider.totals().calls
    assert lines.keys() == bodies.keys()
    failed = [line for line in lines.values() if line.reply is None]
    assert 10 < len(failed) == 40 - n_billed
    assert all(line.again and line.reason.isprintable() for line in failed)
    assert len({line.reason for line in failed}) > 1


async def test_what_is_wrong_with_a_request_is_not_sent_again(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock)
        _, bodies = questions(backend, "b1", 2)
        bad, good = bodies
        bodies[bad] = {**bodies[bad], "messages": []}
        lines = await gathered(backend, await backend.submit("b1", bodies))
        await backend.close()
    assert lines[good].reply is not None
    assert (lines[bad].reply, lines[bad].again) == (None, False)
    assert "messages" in lines[bad].reason


async def test_a_batch_that_fails_as_a_whole(clock):
    with Provider(Knobs(batch_fails_first=1), clock=clock) as provider:
        backend = opened("openai", provider, clock)
        _, bodies = questions(backend, "b1", 3)
        provider_id = await backend.submit("b1", bodies)
        look = await backend.look(provider_id)
        assert look.ended
        assert "Enqueued token limit" in look.reason
        assert await gathered(backend, provider_id) == {}
        await backend.close()


async def test_a_cancelled_batch_has_what_was_done(api, clock):
    with Provider(Knobs(batch_seconds=100), clock=clock) as provider:
        backend = opened(api, provider, clock)
        _, bodies = questions(backend, "b1", 10)
        provider_id = await backend.submit("b1", bodies)
        clock.now += 45
        await backend.cancel(provider_id)
        clock.now += 1
        assert (await backend.look(provider_id)).ended
        lines = await gathered(backend, provider_id)
        await backend.close()
    answered = [line for line in lines.values() if line.reply is not None]
    assert 0 < len(answered) < 10
    assert all(line.again for line in lines.values() if line.reply is None)


async def test_a_batch_that_arrived_is_found_and_no_other(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock)
        ids = {}
        for i in range(120):  # more than a page
            ids[f"batch{i}"] = await backend.submit(f"batch{i}", questions(backend, f"batch{i}", 1 + i % 2)[1])
            clock.now += 1
        sent = NOW + 7
        others = [provider_id for name, provider_id in ids.items() if name not in ("batch7", "batch9")]
        clock.now += 100
        assert await backend.find("batch7", 2, sent, others) == ids["batch7"]
        assert await backend.find("batch9", 2, sent, others) == ids["batch9"]
        assert await backend.find("never", 2, sent, list(ids.values())) is None
        assert await backend.find("never", 2, sent, others) is None
        await backend.close()


async def test_a_batch_that_was_sent_long_after_others_is_found_without_reading_all(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock)
        early = await backend.submit("early", questions(backend, "early", 2)[1])
        clock.now += 100_000
        assert await backend.find("early", 2, clock.now - 1000, []) is None
        assert await backend.find("early", 2, NOW, []) == early
        await backend.close()


async def test_right_after_it_may_have_been_sent_nobody_can_say_that_a_batch_did_not_arrive(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock)
        with pytest.raises(BusyError, match="cannot be told yet"):
            await backend.find("b1", 2, clock.now - 1, [])
        await backend.close()


async def test_a_batch_of_anthropic_that_is_under_way_has_no_name_yet(clock):
    with Provider(Knobs(batch_seconds=1000), clock=clock) as provider:
        backend = opened("anthropic", provider, clock)
        provider_id = await backend.submit("b1", questions(backend, "b1", 2)[1])
        clock.now += 500
        with pytest.raises(BusyError, match="cannot be told yet"):
            await backend.find("b1", 2, NOW, [])
        assert await backend.find("b1", 3, NOW, []) is None
        assert await backend.find("b1", 2, NOW, [provider_id]) is None
        clock.now += 501
        assert await backend.find("b1", 2, NOW, []) == provider_id
        assert await backend.find("b2", 2, NOW, []) is None
        await backend.close()


async def test_a_batch_whose_connection_was_lost_may_have_arrived(api, clock):
    with Provider(Knobs(reset_billed=1.0), clock=clock) as provider:
        backend = opened(api, provider, clock)
        with pytest.raises(BusyError) as caught:
            await backend.submit("b1", questions(backend, "b1", 3)[1])
        assert caught.value.maybe_billed
        clock.now += 60
        assert await backend.find("b1", 3, NOW, []) is not None
        await backend.close()


async def test_a_server_without_batches_is_named(api):
    async with FakeProvider() as chat_only:
        url = chat_only.url + KINDS[api][1]
        backend = open_backend(f"{api}:small@{url}", settings())
        with pytest.raises(RejectedError, match="has no batches") as caught:
            await backend.submit("b1", questions(backend, "b1", 1)[1])
        assert str(caught.value).startswith(backend.name)
        await backend.close()


async def test_a_part_that_a_model_does_not_take_is_left_out_when_the_request_is_sent_again(clock):
    with Provider(clock=clock) as provider:
        backend = opened("openai", provider, clock, model="small-reasoning")
        _, bodies = questions(backend, "b1", 5, temperature=0.5)
        lines = await gathered(backend, await backend.submit("b1", bodies))
        assert all(line.reply is None and line.again for line in lines.values())
        lines = await gathered(backend, await backend.submit("b2", bodies))
        assert all(line.reply is not None for line in lines.values())
        await backend.close()


async def test_a_schema_that_a_server_does_not_take_is_asked_for_in_words_when_the_request_is_sent_again(
    api, clock, tmp_path
):
    with Provider(clock=clock) as provider:
        memory = {"official": False, "memory": ServerMemory(tmp_path, Address(api, "plain", provider.url))}
        backend = opened(api, provider, clock, model="plain", **memory)
        asked, bodies = questions(backend, "b1", 3, system="Be short.")
        lines = await gathered(backend, await backend.submit("b1", bodies))
        assert all(line.reply is None and line.again for line in lines.values())
        # Who comes later, in a process of its own, knows it.
        backend = opened(api, provider, clock, model="plain", **memory)
        lines = await gathered(backend, await backend.submit("b2", bodies))
        for custom_id, request in asked.items():
            assert isinstance(read_answer(lines[custom_id].reply, request, backend.name).parsed, Label)
        await backend.close()


async def test_one_rejection_that_names_the_schema_is_not_enough(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock, model="plain", official=False)
        _, bodies = questions(backend, "b1", 1)
        for again in (True, True):
            (line,) = (await gathered(backend, await backend.submit("b1", bodies))).values()
            assert (line.reply, line.again) == (None, again)
        (line,) = (await gathered(backend, await backend.submit("b1", bodies))).values()
        assert line.reply is not None
        await backend.close()


async def test_nothing_is_found_of_a_batch_that_is_not_there(api, clock):
    with Provider(clock=clock) as provider:
        backend = opened(api, provider, clock)
        with pytest.raises(LLMError):
            await backend.look("batch_nowhere")
        with pytest.raises(LLMError):
            await gathered(backend, "batch_nowhere")
        await backend.close()


async def test_limits_come_with_every_answer(api, clock):
    knobs = Knobs(requests_per_minute=2, input_tokens_per_minute=10_000, output_tokens_per_minute=1_000)
    with Provider(knobs, clock=clock) as provider:
        backend = opened(api, provider, clock)
        reply = await backend.ask(Request(prompt="?"))
        assert reply.limits.requests.remaining == 1
        await backend.ask(Request(prompt="?"))
        with pytest.raises(BusyError) as caught:
            await backend.ask(Request(prompt="?"))
        assert caught.value.limits.requests.remaining == 0
        await backend.close()
