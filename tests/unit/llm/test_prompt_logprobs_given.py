"""Log-probabilities that are kept, bought, or computed here."""

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labeler.llm.errors import BusyError, MalformedError, RejectedError
from labeler.llm.prompt_logprobs import logprobs_until_given, read, total, written
from labeler.llm.protocol import OPEN, UNKNOWN, Address, Capabilities, Reply, TextLogprobs, Usage
from tests.fakes.account import Kept

TOOK = Usage(input_tokens=4, output_tokens=1, usd=0.5)


class Scripted:
    """Gives one token a text, after the failures that it is told of."""

    name = "fake:scripted"
    address = Address("fake", "scripted", "http://127.0.0.1:9")

    def __init__(self, *failures, shares_prefix=False):
        self.capabilities = Capabilities(logprobs=True, shares_prefix=shares_prefix)
        self.failures = list(failures)
        self.asked = []

    async def logprobs(self, prefix, texts, among=()):
        self.asked.append((prefix, list(texts), tuple(among)))
        if self.failures:
            raise self.failures.pop(0)
        return [
            TextLogprobs(
                offsets=np.array([[0, len(text)]]),
                logprobs=np.array([-len(text) / 3], dtype=np.float32),
                among=np.array([[-np.inf] * len(among)], dtype=np.float32) if among else None,
                usage=TOOK,
            )
            for text in texts
        ]

    def bound(self, request):
        return Usage(input_tokens=len(request.prompt), output_tokens=request.max_tokens, usd=9.0)


def same(one, other):
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.logprobs, other.logprobs)
    assert (one.among is None) == (other.among is None)
    if one.among is not None:
        assert one.among.shape == other.among.shape
        np.testing.assert_array_equal(one.among, other.among)
    assert (one.usage, one.logprobs.dtype, one.offsets.dtype) == (other.usage, other.logprobs.dtype, np.int64)
    return True


async def ask(backend, texts, account, among=()):
    async def no_wait(seconds):
        pass

    return await logprobs_until_given(backend, "ab", texts, among, record=account, sleep=no_wait)


async def test_each_text_is_bought_once_and_found_kept_after_that():
    backend, account = Scripted(), Kept()
    first = await ask(backend, ["c", "de"], account, ("0", "1"))
    again = await ask(backend, ["de", "c", "f"], account, ("0", "1"))
    assert [asked for _, asked, _ in backend.asked] == [["c"], ["de"], ["f"]]
    assert same(first[1], again[0])
    assert same(first[0], again[1])
    assert account.recorded == [(TOOK, "answered")] * 3
    await ask(backend, ["c"], account)  # without alternatives it is another question
    assert len(backend.asked) == 4


async def test_a_text_is_put_down_with_its_worst_case_before_it_is_sent():
    account = Kept()

    class Looking(Scripted):
        async def logprobs(self, prefix, texts, among=()):
            assert account.recorded == [(Usage(input_tokens=3, output_tokens=1, usd=9.0), OPEN)]
            return await super().logprobs(prefix, texts, among)

    await ask(Looking(), ["c"], account)
    assert account.recorded == [(TOOK, "answered")]


async def test_what_may_help_is_tried_again_and_what_was_paid_is_put_down():
    account = Kept()
    backend = Scripted(BusyError("busy"), MalformedError("lists", usage=TOOK), BusyError("lost", maybe_billed=True))
    await ask(backend, ["c"], account)
    assert [outcome for _, outcome in account.recorded] == ["malformed", UNKNOWN, "answered"]


async def test_what_a_server_will_not_give_is_not_asked_for_again():
    backend, account = Scripted(RejectedError("none")), Kept()
    with pytest.raises(RejectedError, match="none"):
        await ask(backend, ["c"], account)
    assert len(backend.asked) == 1
    assert account.recorded == []


async def test_where_nothing_may_be_asked_now_what_is_kept_is_all_there_is():
    backend, account = Scripted(), Kept()
    (first,) = await ask(backend, ["c"], account)
    account.deferred = True
    assert same(first, (await ask(backend, ["c"], account))[0])
    with pytest.raises(RejectedError, match="batches give no log-probabilities; use sparse"):
        await ask(backend, ["d"], account)
    assert len(backend.asked) == 1


async def test_a_model_that_shares_the_prefix_gets_all_texts_in_one_call_that_is_not_kept():
    backend, account = Scripted(shares_prefix=True), Kept()
    found = await ask(backend, ["c", "de"], account)
    assert backend.asked == [("ab", ["c", "de"], ())]
    assert len(found) == 2
    assert account.recorded == [(total([TOOK, TOOK]), "answered")]
    assert account.replies == {}
    assert account.turns == 0


async def test_what_such_a_model_rejects_is_not_put_down():
    backend, account = Scripted(RejectedError("too long"), shares_prefix=True), Kept()
    with pytest.raises(RejectedError, match="too long"):
        await ask(backend, ["c"], account)
    assert account.recorded == []
    assert account.turns == 0


@pytest.mark.parametrize("shares_prefix", [True, False])
async def test_a_call_that_is_cancelled_is_put_down_with_the_most_that_it_can_take(shares_prefix):
    backend, account = Scripted(asyncio.CancelledError(), shares_prefix=shares_prefix), Kept()
    with pytest.raises(asyncio.CancelledError):
        await ask(backend, ["cde"], account)
    assert account.recorded == [(Usage(input_tokens=5, output_tokens=1, usd=9.0), UNKNOWN)]


async def test_an_empty_list_asks_nobody():
    backend = Scripted()
    assert await ask(backend, [], Kept()) == []
    assert backend.asked == []


floats = st.floats(width=32, allow_nan=False, max_value=0.0)


@given(st.data(), st.integers(0, 5), st.none() | st.integers(0, 3))
def test_what_is_kept_is_what_was_given_to_the_last_bit(data, n, n_among):
    found = TextLogprobs(
        offsets=data.draw(arrays(np.int64, (n, 2), elements=st.integers(0, 2**40))),
        logprobs=data.draw(arrays(np.float32, n, elements=floats)),
        among=None if n_among is None else data.draw(arrays(np.float32, (n, n_among), elements=floats)),
        usage=TOOK,
    )
    text = written(found)
    assert " " not in text
    json.loads(text, parse_constant=pytest.fail)
    assert same(found, read(Reply(text=text, usage=TOOK), n_among or 0))


def test_a_price_that_is_not_known_makes_the_total_unknown():
    assert total([TOOK, TOOK]) == Usage(input_tokens=8, output_tokens=2, usd=1.0)
    assert total([TOOK, Usage(usd=None)]).usd is None
    assert total([]) == Usage()
