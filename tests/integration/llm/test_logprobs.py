"""Log-probabilities of prompts from a server that gives them, and from servers that do not."""

import math

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.llm.calls import ATTEMPTS
from labeler.llm.errors import BusyError, LLMError, MalformedError, RejectedError
from labeler.llm.names import open_backend
from labeler.llm.prompt_logprobs import logprobs_until_given
from labeler.simulators.likelihood import LikelihoodSimulator
from labeler.simulators.logprob import LogprobSimulator
from labeler.simulators.registry import open_simulator, parse_simulator
from tests.fakes.account import Kept, kept
from tests.fakes.environment import settings
from tests.fakes.evidence import make_store
from tests.fakes.logprob_server import (
    LogprobServer,
    bare,
    blank,
    busy,
    cut,
    logprob,
    page,
    pieces,
    refuses,
    strange,
    uneven,
    written_only,
)
from tests.fakes.provider import FakeProvider

PREFIX = "Here is a text with naïve cats:\n\n"
TEXTS = ["The cat sat.", " cats — 日本😀 and cats", "x", "\n\nnew lines\n first"]


def opened(server):
    return open_backend(f"openai:toy@{server.url}/v1", settings())


async def no_wait(seconds):
    pass


async def given(server, *texts, prefix=PREFIX, among=(), account=None):
    backend = opened(server)
    try:
        return await logprobs_until_given(backend, prefix, texts, among, record=account or Kept(), sleep=no_wait)
    finally:
        await backend.close()


def by_hand(prefix, text):
    """The toy's own log-probabilities of the tokens that reach into the text, and how much of it each covers."""
    words = pieces(prefix + text)
    ends = np.cumsum([len(word) for word in words])
    border = len(prefix.encode())
    kept = [i for i, end in enumerate(ends) if end > border]
    return [logprob(words[:i], words[i]) for i in kept], [ends[i] - border for i in kept]


async def test_each_text_is_cut_off_its_prefix_and_the_values_are_the_models():
    async with LogprobServer() as server:
        found = await given(server, *TEXTS)
    for text, one in zip(TEXTS, found, strict=True):
        values, ends = by_hand(PREFIX, text)
        np.testing.assert_allclose(one.logprobs, values, rtol=1e-5)
        # Every token of whole characters ends where its bytes do, also behind those that are parts of one.
        bytes_to = [len(text[:end].encode()) for _, end in one.offsets]
        whole = [len(text.encode()[:end].decode(errors="ignore").encode()) == end for end in ends]
        ascii_ = [w and text.encode()[:e].decode()[-1].isascii() for w, e in zip(whole, ends, strict=True)]
        assert all(to == end for to, end, sure in zip(bytes_to, ends, ascii_, strict=True) if sure)
        assert one.offsets[-1, 1] == len(text)
        assert one.among is None


async def test_a_token_over_the_border_is_the_texts_and_none_of_the_prefix_is():
    async with LogprobServer() as server:
        (found,) = await given(server, "\n\nnew")
    assert found.offsets.tolist() == [[0, 2], [2, 5]]  # the four line ends are one token of the toy


async def test_every_text_is_a_call_that_is_recorded_with_what_it_took():
    account = Kept()
    async with LogprobServer() as server:
        await given(server, *TEXTS, account=account)
        assert len(server.asked) == len(TEXTS)
    assert sorted(usage.input_tokens for usage, _ in account.recorded) == sorted(server.billed)
    assert {(usage.output_tokens, usage.usd, how) for usage, how in account.recorded} == {(1, 0.0, "answered")}
    body = server.asked[0]
    assert (body["echo"], body["max_tokens"], body["logprobs"]) == (True, 1, 1)


async def test_a_busy_server_is_asked_again():
    account = Kept()
    async with LogprobServer(busy(), refuses(500, "oh"), busy()) as server:
        (found,) = await given(server, "a cat", account=account)
        assert len(server.asked) == 4
    np.testing.assert_allclose(found.logprobs, by_hand(PREFIX, "a cat")[0], rtol=1e-5)
    assert [how for _, how in account.recorded] == ["answered"]


async def test_a_server_that_stays_busy_is_given_up():
    async with LogprobServer(always=busy()) as server:
        with pytest.raises(BusyError, match="429"):
            await given(server, "a cat")
        assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize("fault", [cut(), uneven(), strange()])
async def test_lists_that_do_not_fit_are_paid_and_asked_for_again(fault):
    account = Kept()
    async with LogprobServer(fault) as server:
        (found,) = await given(server, "a cat", account=account)
    np.testing.assert_allclose(found.logprobs, by_hand(PREFIX, "a cat")[0], rtol=1e-5)
    assert [how for _, how in account.recorded] == ["malformed", "answered"]
    assert account.recorded[0][0].input_tokens == server.billed[0]


@pytest.mark.parametrize("fault", [cut(), uneven(), strange(), page()])
async def test_lists_that_never_fit_are_an_error_and_no_numbers(fault):
    async with LogprobServer(always=fault) as server:
        with pytest.raises(MalformedError) as caught:
            await given(server, "a cat")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("fault", [bare(), written_only(), blank()])
async def test_a_server_that_says_nothing_of_prompts_is_asked_once_and_told_from_others(fault):
    account = Kept()
    async with LogprobServer(always=fault) as server:
        backend = opened(server)
        assert backend.capabilities.logprobs  # nobody can know before it was asked
        for _ in range(3):
            with pytest.raises(RejectedError, match="gives no log-probabilities of a given text, as vLLM does; use"):
                await logprobs_until_given(backend, PREFIX, ["a cat"], record=account)
        await backend.close()
        assert len(server.asked) == 1
    assert [how for _, how in account.recorded] == ["rejected"]


async def test_one_odd_answer_of_a_server_that_gives_them_is_asked_for_again():
    async with LogprobServer(lambda choice: None, bare()) as server:
        backend = opened(server)
        for _ in range(2):
            (found,) = await logprobs_until_given(backend, PREFIX, ["a cat"], record=Kept(), sleep=no_wait)
            assert len(found.logprobs) == 2
        await backend.close()
        assert len(server.asked) == 3


async def test_a_server_without_the_endpoint_is_named_with_what_to_use():
    async with FakeProvider() as chat_only:
        with pytest.raises(RejectedError, match=r"HTTP 404.* use local:… or another server"):
            await given(chat_only, "a cat")


async def test_a_server_that_refuses_echo_is_named_with_its_own_words():
    async with LogprobServer(always=refuses(400, "Only no echo is supported")) as server:
        with pytest.raises(RejectedError, match="Only no echo is supported; if that is about echo"):
            await given(server, "a cat")


def shares(line):
    """A digit for the last letter of a line, a seventh of its share for the one above, and a word."""
    digit = (ord(line[-1]) - ord("a")) % 9
    return {str(digit): 0.7, str(digit + 1): 0.1, "?": 0.2}


async def test_alternatives_are_read_where_they_are_listed():
    async with LogprobServer(filling=shares) as server:
        (found,) = await given(server, " a\t?\n", prefix="Words:\n", among=("0", "1", "2"))
        assert server.asked[0]["logprobs"] == 20
    (at,) = np.flatnonzero(found.offsets[:, 0] == 3)
    np.testing.assert_allclose(found.among[at], [math.log(0.7), math.log(0.1), -math.inf])
    assert np.isneginf(np.delete(found.among, at, axis=0)).all()


async def test_a_server_that_lists_fewer_is_asked_for_fewer_from_then_on():
    async with LogprobServer(filling=shares, most_listed=5) as server:
        backend = opened(server)
        for _ in range(2):
            await logprobs_until_given(backend, "W:\n", [" a\t?\n"], ("0",), record=Kept())
        await backend.close()
    assert [body["logprobs"] for body in server.asked] == [20, 5, 5]


@pytest.mark.parametrize("name", ["likelihood", "logprob"])
@pytest.mark.parametrize("llm", ["openai:gpt-5-nano", "anthropic:claude-haiku-5-5"])
async def test_the_providers_own_hosts_are_refused_when_a_simulator_is_opened(name, llm):
    own = settings(openai_api_key="key-one", anthropic_api_key="key-two")
    with pytest.raises(InputError, match=f"simulator '{name}' needs log-probabilities") as caught:
        open_simulator(parse_simulator(f"{name}={llm}"), lambda name: open_backend(name, own), kept)
    assert "\n" not in str(caught.value)


async def test_likelihood_over_http_is_likelihood_by_hand(tmp_path):
    store = make_store(tmp_path, n=100)
    material = store.material(store.frame(3, "score").contexts[:20])
    accounts = {}
    async with LogprobServer(busy()) as server:
        backend = opened(server)
        simulator = LikelihoodSimulator(backend, lambda name, prompt: accounts.setdefault(prompt, Kept()))
        found = (await simulator.predict(["penny"], material))[0]
        await backend.close()
        n_texts = len({"".join(tokens) for tokens in material.tokens()})
        taken = [usage for account in accounts.values() for usage, _ in account.recorded]
        assert len(server.billed) == len(taken) == n_texts + len(material)
    assert {prompt.split("@")[0] for prompt in accounts} == {"likelihood", "likelihood_neutral"}
    assert sum(usage.input_tokens for usage in taken) == sum(server.billed)
    for row, tokens in enumerate(material.tokens()):
        text = "".join(tokens)
        told, neutral = by_hand("Here is a text with penny:\n\n", text)[0], by_hand("Here is a text:\n\n", text)[0]
        expected = np.maximum(np.array(told) - np.array(neutral) - 0.5, 0)
        np.testing.assert_allclose(found[row, : len(tokens)], expected, atol=1e-5)
        assert ((found[row, : len(tokens)] > 0) == [token == " penny" for token in tokens]).all()


async def test_logprob_over_http_is_the_expected_digit(tmp_path):
    store = make_store(tmp_path, n=100)
    material = store.material(store.frame(3, "score").contexts[:10])
    async with LogprobServer(filling=shares) as server:
        backend = opened(server)
        simulator = LogprobSimulator(backend, kept)
        found = (await simulator.predict(["penny"], material))[0]
        await backend.close()
    for row, tokens in enumerate(material.tokens()):
        wanted = [(ord(token[-1]) - ord("a")) % 9 + 0.125 for token in tokens]
        np.testing.assert_allclose(found[row, : len(tokens)], wanted, atol=1e-5)
        assert (found[row, len(tokens) :] == 0).all()
    assert simulator.counts["unknown"] == 0


async def test_a_model_that_lists_no_digits_has_failed_and_predicts_no_zeros(tmp_path):
    store = make_store(tmp_path, n=100)
    material = store.material(store.frame(3, "score").contexts[:10])
    async with LogprobServer(filling=lambda line: {"?": 1.0}) as server:
        backend = opened(server)
        with pytest.raises(LLMError, match="no digit was among the likeliest words"):
            await LogprobSimulator(backend, kept).predict(["penny"], material)
        await backend.close()
