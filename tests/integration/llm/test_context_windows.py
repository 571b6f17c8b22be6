"""Models that think, and models that take in little: what they are sent once they are known, over real HTTP."""

import dataclasses
import json

import pytest

from labeler.llm.calls import ask_about, ask_until_answered
from labeler.llm.context_windows import MOST_TOKENS
from labeler.llm.errors import RejectedError, TooLongError, TruncatedError
from labeler.llm.names import open_backend
from labeler.llm.protocol import PendingError, Request
from labeler.llm.quirks import ServerMemory, known
from tests.fakes.account import Kept
from tests.fakes.environment import settings
from tests.fakes.provider import FakeProvider, answer, fail, json_answer
from tests.integration.llm.schemas import LABEL, Label

ASKED = Request(prompt="Which words?", system="You name features.", schema=Label, max_tokens=300)
DRAFT = 'I look at what stands between the marks. {"label": "draft"} will not do. '


def limit_of(asked):
    return asked.body.get("max_tokens") or asked.body["max_completion_tokens"]


def thinks(tokens, how="field", answer_tokens=60, counts=True, word="length"):
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
            "in brackets": {"content": "[Analysis] " + thought + ("" if cut else f"</think>\n\n{said}")},
            "a draft first": {
                "content": json.dumps(LABEL) + " is a draft. " + thought + ("" if cut else f"</think>{said}")
            },
        }[how]
        usage = {"prompt_tokens": 100, "completion_tokens": limit if cut else tokens + answer_tokens}
        choice = {"index": 0, "message": message, "finish_reason": word if cut else "stop"}
        return answer("", raw=json.dumps({"choices": [choice], "usage": usage if counts else None}))

    return behave


def opened(provider, home, **values):
    return open_backend(f"openai:m@{provider.url}/v1", settings(home=home, **values))


class Bounded(Kept):
    """An account that looks whether what is sent is within what was put down for it."""

    async def reserve(self, key, bound):
        self.bounds = [*getattr(self, "bounds", []), bound]
        return await super().reserve(key, bound)


@pytest.mark.parametrize("how", ["field", "hidden", "text", "unopened", "in brackets", "a draft first"])
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


@pytest.mark.parametrize("word", ["model_length", "MAX_TOKENS", "max_output_tokens"])
async def test_a_cut_by_any_other_name_is_one(tmp_path, word):
    async with FakeProvider(thinks(1_500, "text", word=word)) as provider:
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


def sent(provider):
    return [limit_of(asked) for asked in provider.asked]


def lessons(home):
    return {one.what: one.value for one in known(settings(home=home))}


@pytest.mark.parametrize("prompt", ["what fires at: this model supports at most {} completion tokens", "Which words?"])
@pytest.mark.parametrize("told", [5, 150])
@pytest.mark.parametrize("echo", [str, repr, json.dumps])
async def test_one_rejection_that_quotes_a_prompt_caps_no_later_answer(tmp_path, prompt, told, echo):
    """It is refused for another reason, once; what it quotes may be this prompt or another one."""
    quoted = f"what fires at: this model supports at most {told} completion tokens"
    request = dataclasses.replace(ASKED, prompt=prompt.format(told))
    refusal, whole = (
        fail(422, f"unprocessable: {echo(quoted)}"),
        json_answer(LABEL | {"label": "months " * 60}, output_tokens=200),
    )
    async with FakeProvider(refusal, *[whole] * 4) as provider:
        backend, given = opened(provider, tmp_path), 0
        for draw in range(4):
            try:
                await ask_until_answered(backend, dataclasses.replace(request, draw=draw), record=Kept())
                given += 1
            except RejectedError:
                assert draw == 0
        await backend.close()
        again = opened(provider, tmp_path)
        assert again.bound(request).output_tokens == 300
        await again.close()
    assert given >= 3
    assert sent(provider)[-3:] == [300, 300, 300]
    assert lessons(tmp_path) == {}


async def test_a_server_that_writes_less_than_it_wrote_before_is_not_believed(tmp_path):
    said = fail(400, "This model supports at most 64 completion tokens")
    async with FakeProvider(json_answer(LABEL, output_tokens=90), said, json_answer(LABEL)) as provider:
        backend = opened(provider, tmp_path)
        await ask_until_answered(backend, ASKED, record=Kept())
        with pytest.raises(RejectedError, match="at most 64"):
            await ask_until_answered(backend, dataclass_with(1), record=Kept())
        await ask_until_answered(backend, dataclass_with(2), record=Kept())
        await backend.close()
    assert sent(provider) == [300, 300, 300]
    assert lessons(tmp_path) == {}


async def test_the_most_that_a_server_writes_is_believed_though_every_answer_within_it_is_cut(tmp_path):
    def behave(asked):
        if limit_of(asked) > 256:
            return fail(400, "This model supports at most 256 completion tokens")
        return thinks(10**6)(asked)

    async with FakeProvider(behave) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises((TooLongError, TruncatedError)):
            await ask_until_answered(backend, ASKED, record=Kept())
        await backend.close()
    assert sent(provider)[:2] == [300, 256]
    assert len(provider.billed) == 2
    assert lessons(tmp_path)["written"] == 256


@pytest.mark.parametrize("stop", ["end", "truncated"])
async def test_one_answer_that_was_counted_wrongly_makes_no_other_call_larger(tmp_path, stop):
    odd = answer(json.dumps(LABEL) if stop == "end" else "I look", stop=stop, output_tokens=20_000)
    async with FakeProvider(odd, *[json_answer(LABEL)] * 4) as provider:
        backend = opened(provider, tmp_path)
        for draw in range(3):
            await ask_until_answered(backend, dataclass_with(draw), record=Kept())
        await backend.close()
        again = opened(provider, tmp_path)
        await ask_until_answered(again, dataclass_with(9), record=Kept())
        await again.close()
    assert sent(provider)[-3:] == [300, 300, 300]
    assert lessons(tmp_path) == {}


async def test_one_answer_that_took_much_thought_makes_no_other_call_larger(tmp_path):
    def behave(asked):
        return thinks(9_000 if "hard" in asked.prompt else 400)(asked)

    hard = dataclasses.replace(ASKED, prompt="a hard one", max_tokens=12_000)
    async with FakeProvider(behave) as provider:
        backend = opened(provider, tmp_path)
        for draw in range(3):
            await ask_until_answered(backend, dataclass_with(draw), record=Kept())
        before = backend.bound(ASKED).output_tokens
        assert 760 <= before < 1_000
        await ask_until_answered(backend, hard, record=Kept())
        assert backend.bound(ASKED).output_tokens == before
        await ask_until_answered(backend, dataclasses.replace(hard, draw=1), record=Kept())
        assert backend.bound(ASKED).output_tokens > 9_000  # it was seen again
        await backend.close()
    assert len(provider.asked) == 3 + 1 + 2
    assert lessons(tmp_path)["thinking"] > 9_000


async def test_a_request_that_is_too_long_fails_in_the_words_of_the_provider(tmp_path):
    account = Kept()
    async with FakeProvider(fail(400, "prompt is too long: 5000 tokens > 4096 maximum")) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises(TooLongError, match="prompt is too long: 5000 tokens > 4096 maximum"):
            await ask_until_answered(backend, ASKED, record=account)
        await backend.close()
    assert account.recorded == []


WORDS = {
    "openai": "This model's maximum context length is 4096 tokens. However, you requested {total} tokens ({prompt} in the "
    "messages, {limit} in the completion). Please reduce the length of the messages or completion.",
    "vllm": "'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's maximum context length is 4096 "
    "tokens and your request has {prompt} input tokens ({limit} > 4096 - {prompt}).",
    "llama.cpp": "request ({total} tokens) exceeds the available context size (4096 tokens), try increasing it",
    "anthropic": "input length and `max_tokens` exceed context limit: {prompt} + {limit} > 4096, decrease input length",
    "xai": "This model's maximum prompt length is 4096 but the request contains {prompt} tokens.",
    "kimi": "Invalid request: Your request exceeded model token limit: 4096",
    "qwen": "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 4096]",
    "untold": "Please reduce the length of the messages or completion.",
    "zhipu": "Prompt exceeds max length",
    "a fault": "the request exceeds the available context size (4096 tokens), try increasing it",
    "a page": "",
}


def takes_4096(words):
    """A model of 4,096 tokens, a token for three bytes; it says which of the things it was asked about."""

    def behave(asked):
        sent = json.dumps(asked.body["messages"], ensure_ascii=False) + json.dumps(asked.schema or {})
        prompt, limit = len(sent.encode()) // 3, limit_of(asked)
        if prompt + limit > 4_096:
            if not WORDS[words]:
                return dataclasses.replace(fail(413), raw="<html>413 Request Entity Too Large</html>")
            return fail(
                500 if words == "a fault" else 400,
                WORDS[words].format(total=prompt + limit, prompt=prompt, limit=limit),
            )
        return json_answer({"label": asked.prompt.splitlines()[0], "confidence": 1}, input_tokens=prompt)

    return behave


def about(things):
    text = "".join(f"\n{thing}: " + "some words of a context " * 10 for thing in things)
    return Request(prompt=" ".join(things) + text, schema=Label, max_tokens=300 + 40 * len(things))


THINGS = [f"thing{at}" for at in range(40)]


@pytest.mark.parametrize("words", WORDS)
async def test_what_is_too_long_for_the_model_is_asked_in_halves_and_the_length_is_remembered(tmp_path, words):
    account = Bounded()
    async with FakeProvider(takes_4096(words)) as provider:
        backend = opened(provider, tmp_path)
        found = await ask_about(backend, THINGS, about, record=account)
        assert [thing for part, _ in found for thing in part] == THINGS
        assert [answer.parsed.label for _, answer in found] == [" ".join(part) for part, _ in found]
        assert 1 < len(found) <= 8
        assert all(usage.usd == 0.0 for usage, _ in account.recorded)
        assert len(account.recorded) == len(found)  # rejections cost nothing and stand nowhere
        await backend.close()

        n = len(provider.asked)
        next_one = opened(provider, tmp_path)
        await ask_about(next_one, THINGS, about, record=Kept())
        assert len(provider.asked) - n == len(provider.billed) - len(found)  # none was rejected
        with pytest.raises(PendingError) as pending:  # what a plan and a batch are made of
            await ask_about(next_one, THINGS, about, record=Kept(deferred=True))
        assert len(pending.value.requests) == len(provider.billed) - len(found)
        assert all(one.bound.output_tokens == one.body["max_tokens"] for one in pending.value.requests)
        await next_one.close()

        n = len(provider.asked)
        again = opened(provider, tmp_path / "another")  # knows nothing; what was kept is found after one rejection
        await ask_about(again, THINGS, about, record=account)
        assert len(provider.billed) == len(found) + len(pending.value.requests)
        await again.close()


async def test_what_was_kept_of_larger_calls_is_found_though_they_would_be_too_long_now(tmp_path):
    account = Kept()
    async with FakeProvider(lambda asked: json_answer({"label": "x", "confidence": 1})) as provider:
        backend = opened(provider, tmp_path)
        await ask_about(backend, THINGS, about, record=account)
        await backend.close()
        ServerMemory(tmp_path, backend.address).remember("context", value=4096)
        again = opened(provider, tmp_path)
        assert not again.fits(about(THINGS))
        assert len(await ask_about(again, THINGS, about, record=account)) == 1
        await again.close()
    assert len(provider.asked) == 1


async def test_one_thing_that_is_too_long_fails_in_the_words_of_the_provider(tmp_path):
    async with FakeProvider(takes_4096("vllm")) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises(TooLongError, match=r"maximum context length is 4096 tokens and your request has \d+ input"):
            await ask_about(backend, ["x " * 8_000], about, record=Kept())
        await backend.close()
    assert provider.billed == []


@pytest.mark.parametrize(
    "said", ["the maximum context length is 300 tokens", "please reduce the length of the messages"]
)
async def test_one_rejection_that_quotes_a_prompt_about_contexts_halves_that_call_alone(tmp_path, said):
    def question(things):
        return dataclasses.replace(about(things), prompt=f"{said}\n{about(things).prompt}")

    async with FakeProvider(fail(400, f"no: '{said}'"), *[json_answer(LABEL, input_tokens=90)] * 9) as provider:
        backend = opened(provider, tmp_path)
        for n in (4, 6, 8):
            await ask_about(backend, THINGS[:n], question, record=Kept())
        await backend.close()
    assert len(provider.asked) in (4, 5)  # with less room, or in halves; the later ones whole
    assert lessons(tmp_path) == {}


async def test_a_context_smaller_than_what_was_taken_is_not_believed(tmp_path):
    said = fail(400, "This model's maximum context length is 512 tokens, however you requested more")
    whole = json_answer(LABEL, input_tokens=1_000)
    async with FakeProvider(whole, said, *[whole] * 4) as provider:
        backend = opened(provider, tmp_path)
        for n in (8, 6, 4):
            await ask_about(backend, THINGS[:n], about, record=Kept())
        assert backend.fits(about(THINGS[:8]))
        await backend.close()
    assert lessons(tmp_path) == {}


async def test_a_rejection_that_quotes_a_prompt_about_contexts_teaches_no_length(tmp_path):
    said = "Invalid value: 'the maximum context length is 300 tokens' is not allowed"
    async with FakeProvider(lambda asked: fail(400, said)) as provider:
        backend = opened(provider, tmp_path)
        with pytest.raises(TooLongError):
            await ask_about(backend, THINGS[:4], about, record=Kept())
        await backend.close()
        assert opened(provider, tmp_path).fits(about(THINGS))
