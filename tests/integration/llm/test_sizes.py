"""Models that think, and models that take in little: what they are sent once they are known, over real HTTP."""

import json

import pytest

from labeler.llm.asking import ask_until_answered
from labeler.llm.errors import TooLongError, TruncatedError
from labeler.llm.names import open_backend
from labeler.llm.protocol import PendingError, Request
from labeler.llm.sizes import MOST_TOKENS
from tests.fakes.account import Kept
from tests.fakes.environment import settings
from tests.fakes.provider import FakeProvider, answer, fail
from tests.integration.llm.schemas import LABEL, Label

ASKED = Request(prompt="Which words?", system="You name features.", schema=Label, max_tokens=300)
DRAFT = 'I look at what stands between the marks. {"label": "draft"} will not do. '


def limit_of(asked):
    return asked.body.get("max_tokens") or asked.body["max_completion_tokens"]


def thinks(tokens, how="field", answer_tokens=60, counts=True):
    """A model that thinks so many tokens before it answers: in a field of its own, in the text, hidden, …"""

    def behave(asked):
        limit, said = limit_of(asked), json.dumps(LABEL)
        cut = limit < tokens + answer_tokens
        thought = DRAFT * 20
        message = {
            "field": {"content": None if cut else said, "reasoning_content": thought},
            "hidden": {"content": "" if cut else said},
            "text": {"content": f"<think>{thought}" + ("" if cut else f"</think>\n{said}")},
            "unopened": {"content": thought + ("" if cut else f"</think>\n\n{said}")},
        }[how]
        usage = {"prompt_tokens": 100, "completion_tokens": limit if cut else tokens + answer_tokens}
        choice = {"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}
        return answer("", raw=json.dumps({"choices": [choice], "usage": usage if counts else None}))

    return behave


def opened(provider, home, **values):
    return open_backend(f"openai:m@{provider.url}/v1", settings(home=home, **values))


class Bounded(Kept):
    """An account that looks whether what is sent is within what was put down for it."""

    async def reserve(self, key, bound):
        self.bounds = [*getattr(self, "bounds", []), bound]
        return await super().reserve(key, bound)


@pytest.mark.parametrize("how", ["field", "hidden", "text", "unopened"])
@pytest.mark.parametrize("tokens", [400, 1_500, 9_000])
async def test_a_model_that_thinks_gets_room_which_is_remembered(tmp_path, how, tokens):
    account = Bounded()
    async with FakeProvider(thinks(tokens, how)) as provider:
        backend = opened(provider, tmp_path)
        assert (await ask_until_answered(backend, ASKED, record=account)).parsed == Label(**LABEL)
        n_learning = len(provider.asked)
        for draw in range(1, 6):  # the next ones have room from the start
            await ask_until_answered(backend, dataclass_with(draw), record=account)
        assert len(provider.asked) == n_learning + 5
        await backend.close()
        next_one = opened(provider, tmp_path)
        await ask_until_answered(next_one, dataclass_with(9), record=account)
        assert len(provider.asked) == n_learning + 6
        await next_one.close()
    assert n_learning <= 4
    sent = [limit_of(asked) for asked in provider.asked]
    assert [bound.output_tokens for bound in account.bounds] == sent
    assert max(sent) <= MOST_TOKENS


def dataclass_with(draw):
    return Request(prompt=ASKED.prompt, system=ASKED.system, schema=Label, max_tokens=300, draw=draw)


async def test_a_server_that_counts_nothing_is_given_room_all_the_same(tmp_path):
    async with FakeProvider(thinks(1_500, counts=False)) as provider:
        backend = opened(provider, tmp_path)
        assert (await ask_until_answered(backend, ASKED, record=Kept())).parsed == Label(**LABEL)
        await backend.close()
    assert [limit_of(asked) for asked in provider.asked] == [300, 1200, 4800]


async def test_what_was_kept_is_found_however_much_room_is_given_by_now(tmp_path):
    account = Kept()
    async with FakeProvider(thinks(1_500)) as provider:
        backend = opened(provider, tmp_path)
        await ask_until_answered(backend, ASKED, record=account)
        n = len(provider.asked)
        for home in (tmp_path, tmp_path / "another"):  # it knows of the thinking, and it does not
            again = opened(provider, home)
            assert (await ask_until_answered(again, ASKED, record=account)).parsed == Label(**LABEL)
            await again.close()
        await backend.close()
    assert len(provider.asked) == n


async def test_a_model_that_never_ends_thinking_is_given_up_at_the_bound(tmp_path):
    account = Bounded()
    async with FakeProvider(thinks(10**9)) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises(TruncatedError):
            await ask_until_answered(backend, ASKED, record=account)
        await backend.close()
    sent = [limit_of(asked) for asked in provider.asked]
    assert sent == sorted(set(sent))[:4]
    assert sent[-1] <= MOST_TOKENS
    assert [bound.output_tokens for bound in account.bounds] == sent


async def test_bodies_that_are_sent_later_have_the_room_too(tmp_path):
    async with FakeProvider(thinks(1_500)) as provider:
        backend = opened(provider, tmp_path)
        await ask_until_answered(backend, ASKED, record=Kept())
        with pytest.raises(PendingError) as pending:
            await ask_until_answered(backend, dataclass_with(1), record=Kept(deferred=True))
        await backend.close()
    (one,) = pending.value.requests
    assert one.body["max_tokens"] == one.bound.output_tokens >= 300 + 1_500


async def test_room_for_thinking_is_what_the_context_leaves(tmp_path):
    def behave(asked):
        limit = limit_of(asked)
        if 3_000 + limit > 4_096:
            return fail(
                400,
                f"This model's maximum context length is 4096 tokens. However, you requested {3_000 + limit} tokens "
                f"(3000 in the messages, {limit} in the completion).",
            )
        return thinks(700)(asked)

    account, request = Bounded(), Request(prompt="x " * 5_000, schema=Label, max_tokens=300)
    async with FakeProvider(behave) as provider:
        backend = opened(provider, tmp_path)
        assert (await ask_until_answered(backend, request, record=account)).parsed == Label(**LABEL)
        await backend.close()
    assert max(limit_of(asked) for asked in provider.asked if 3_000 + limit_of(asked) <= 4_096) <= 1_096
    assert all(
        bound.output_tokens >= limit_of(asked) for bound, asked in zip(account.bounds, provider.asked, strict=False)
    )


async def test_a_server_that_writes_less_than_is_asked_for_is_asked_for_what_it_writes(tmp_path):
    said = "max_tokens is too large: {}. This model supports at most 256 completion tokens, whereas you provided {}."

    def behave(asked):
        limit = limit_of(asked)
        return fail(400, said.format(limit, limit)) if limit > 256 else thinks(0)(asked)

    async with FakeProvider(behave) as provider:
        for _ in range(2):
            backend = opened(provider, tmp_path)
            assert (await ask_until_answered(backend, ASKED, record=Kept())).parsed == Label(**LABEL)
            await backend.close()
    assert [limit_of(asked) for asked in provider.asked] == [300, 256, 256]


async def test_a_request_that_is_too_long_fails_in_the_words_of_the_provider(tmp_path):
    account = Kept()
    async with FakeProvider(fail(400, "prompt is too long: 5000 tokens > 4096 maximum")) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises(TooLongError, match="prompt is too long: 5000 tokens > 4096 maximum"):
            await ask_until_answered(backend, ASKED, record=account)
        await backend.close()
    assert account.recorded == []
