"""What is asked, what is not bought again, what is asked again, how often, after how long, and what is put down."""

import asyncio
import dataclasses

import pytest
from pydantic import BaseModel

from labeler.catalogue import records
from labeler.llm.cache_keys import key
from labeler.llm.calls import ask_until_answered
from labeler.llm.errors import (
    AccessError,
    BusyError,
    MalformedError,
    RefusedError,
    RejectedError,
    SpentError,
    TimedOutError,
    TooLongError,
    TruncatedError,
)
from labeler.llm.protocol import OPEN, UNKNOWN, Address, Capabilities, PendingError, Reply, Request, Usage
from tests.fakes.account import Kept

PAID = Usage(input_tokens=7, output_tokens=3, usd=0.01)
ANSWER = Reply(text="yes", usage=Usage(input_tokens=5, output_tokens=1, usd=0.02))
FORMED = Reply(text='{"word": "yes"}', usage=Usage(input_tokens=5, output_tokens=1, usd=0.02))
JUNK = Reply(text=" ", usage=PAID)
REFUSED = Reply(stop="refused", said="no", usage=PAID)
CUT = Reply(text='{"wo', stop="truncated", usage=PAID)


class Form(BaseModel):
    """What a request may ask for."""

    word: str


class Scripted:
    """A backend that raises or returns what it is given, and the last of it for ever."""

    name = "fake:scripted"
    capabilities = Capabilities()
    address = Address("fake", "scripted", "http://127.0.0.1:9")

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = []

    async def ask(self, request):
        self.asked.append(request)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def bound(self, request):
        return Usage(input_tokens=100, output_tokens=request.max_tokens, usd=0.5)

    def body(self, request):
        return {"prompt": request.prompt}


@dataclasses.dataclass
class Asking:
    """One use of ``ask_until_answered`` with a clock that does not run."""

    slept: list = dataclasses.field(default_factory=list)
    account: Kept = dataclasses.field(default_factory=Kept)
    jitter: float = 1.0

    @property
    def recorded(self):
        return self.account.recorded

    async def __call__(self, backend, request=None, **options):
        async def sleep(seconds):
            self.slept.append(seconds)

        return await ask_until_answered(
            backend,
            request or Request(prompt="?"),
            record=self.account,
            sleep=sleep,
            uniform=lambda: self.jitter,
            **options,
        )


async def test_an_answer_is_returned_kept_and_put_down_once():
    ask, backend = Asking(), Scripted(ANSWER)
    assert (await ask(backend)).text == "yes"
    assert ask.recorded == [(ANSWER.usage, "answered")]
    assert ask.account.replies == {key(backend.address, Request(prompt="?")): ANSWER}
    assert ask.account.heard == [ANSWER]
    assert ask.account.turns == 0
    assert ask.slept == []


async def test_an_answer_that_is_kept_is_not_bought_again():
    ask, backend = Asking(), Scripted(ANSWER)
    await ask(backend)
    assert (await ask(backend)).text == "yes"
    assert len(backend.asked) == 1
    await ask(backend, Request(prompt="?", draw=1))
    assert len(backend.asked) == 2


async def test_a_call_is_put_down_with_its_worst_case_before_it_is_made():
    ask = Asking()

    class Looking(Scripted):
        async def ask(self, request):
            assert ask.recorded == [(self.bound(request), OPEN)]
            return await super().ask(request)

    await ask(Looking(ANSWER))
    assert ask.recorded == [(ANSWER.usage, "answered")]


async def test_a_budget_without_room_stops_before_the_call():
    ask, backend = Asking(account=Kept(budget=0)), Scripted(ANSWER)
    with pytest.raises(SpentError):
        await ask(backend)
    assert backend.asked == []
    assert ask.account.turns == 0


async def test_useless_replies_are_kept_so_that_the_same_way_is_free_the_second_time():
    ask, backend = Asking(), Scripted(JUNK, CUT, FORMED)
    request = Request(prompt="?", schema=Form, max_tokens=50)
    first = await ask(backend, request)
    assert [(one.max_tokens, one.draw) for one in backend.asked] == [(50, 0), (50, 1000), (200, 1000)]
    assert (await ask(backend, request)).parsed == first.parsed == Form(word="yes")
    assert len(backend.asked) == 3
    assert ask.account.marked[:2] == [key(backend.address, one) for one in backend.asked[:2]]


async def test_where_nothing_may_be_asked_now_the_question_is_put_down():
    ask, backend = Asking(account=Kept(deferred=True, prompt="explain@1")), Scripted(ANSWER)
    with pytest.raises(PendingError) as pending:
        await ask(backend)
    (one,) = pending.value.requests
    assert (one.key, one.backend, one.prompt, one.body) == (
        key(backend.address, Request(prompt="?")),
        "fake:scripted",
        "explain@1",
        {"prompt": "?"},
    )
    assert backend.asked == []
    ask.account.replies[one.key] = ANSWER
    assert (await ask(backend)).text == "yes"


async def test_after_a_useless_answer_from_elsewhere_the_next_draw_is_put_down():
    ask, backend = Asking(account=Kept(deferred=True)), Scripted(ANSWER)
    asked = [Request(prompt="?", schema=Form), Request(prompt="?", schema=Form, draw=1000)]
    ask.account.replies[key(backend.address, asked[0])] = Reply(text="not json")
    with pytest.raises(PendingError) as pending:
        await ask(backend, asked[0])
    assert pending.value.requests[0].key == key(backend.address, asked[1])


async def test_what_a_provider_rejected_later_is_not_asked_again():
    ask, backend = Asking(account=Kept(deferred=True)), Scripted(ANSWER)
    ask.account.replies[key(backend.address, Request(prompt="?"))] = Reply(stop="rejected", said="too long")
    with pytest.raises(RejectedError, match="too long"):
        await ask(backend)


@pytest.mark.parametrize("error", [BusyError("busy"), TimedOutError("late")])
async def test_a_busy_provider_is_asked_again_after_growing_pauses(error):
    ask, backend = Asking(), Scripted(error, error, error, error, ANSWER)
    assert (await ask(backend)).text == "yes"
    assert ask.slept == [0.5, 1.0, 2.0, 4.0]
    assert {request.draw for request in backend.asked} == {0}
    assert ask.recorded == [(ANSWER.usage, "answered")]
    assert ask.account.heard == [error] * 4 + [ANSWER]


async def test_pauses_are_jittered_down_to_nothing():
    ask = Asking(jitter=0.25)
    await ask(Scripted(BusyError("busy"), BusyError("busy"), ANSWER))
    assert ask.slept == [0.125, 0.25]


async def test_pauses_are_capped():
    ask = Asking()
    with pytest.raises(BusyError):
        await ask(Scripted(BusyError("busy")), attempts=10)
    assert max(ask.slept) == 30.0
    assert len(ask.slept) == 9


async def test_after_the_last_attempt_the_last_error_is_raised():
    ask, backend = Asking(), Scripted(BusyError("first"), BusyError("second"), BusyError("third"))
    with pytest.raises(BusyError, match="third"):
        await ask(backend, attempts=3)
    assert len(backend.asked) == 3
    assert len(ask.slept) == 2
    assert ask.recorded == []


@pytest.mark.parametrize(("retry_after", "slept"), [(7.0, 7.0), (0.0, 0.0), (59.9, 59.9), (300.0, 60.0)])
async def test_what_the_provider_asks_for_is_waited_within_reason(retry_after, slept):
    ask = Asking(jitter=0.0)
    await ask(Scripted(BusyError("busy", retry_after=retry_after), ANSWER))
    assert ask.slept == [slept]


async def test_not_everybody_returns_at_the_moment_the_provider_named():
    ask = Asking(jitter=0.5)
    await ask(Scripted(BusyError("busy", retry_after=7.0), ANSWER))
    assert ask.slept == [7.25]


@pytest.mark.parametrize("error", [RejectedError("no"), AccessError("key")])
async def test_what_will_not_change_is_not_asked_again_and_not_paid(error):
    ask, backend = Asking(), Scripted(error, ANSWER)
    with pytest.raises(type(error)):
        await ask(backend)
    assert len(backend.asked) == 1
    assert ask.recorded == []


@pytest.mark.parametrize(
    ("reply", "error", "outcome"), [(REFUSED, RefusedError, "refused"), (JUNK, MalformedError, "malformed")]
)
async def test_useless_answers_are_paid_put_down_and_asked_for_at_most_twice_more(reply, error, outcome):
    ask, backend = Asking(), Scripted(reply)
    with pytest.raises(error):
        await ask(backend, Request(prompt="?", draw=3))
    assert [request.draw for request in backend.asked] == [3, 1003, 2003]
    assert ask.recorded == [(PAID, outcome)] * 3


async def test_refused_and_malformed_share_the_two_retries():
    backend = Scripted(REFUSED, BusyError("busy"), JUNK, REFUSED, ANSWER)
    with pytest.raises(RefusedError):
        await Asking()(backend)
    assert [request.draw for request in backend.asked] == [0, 1000, 1000, 2000]


async def test_pages_in_the_place_of_answers_are_asked_for_at_most_twice_more():
    ask, backend = Asking(), Scripted(MalformedError("a page", maybe_billed=True))
    with pytest.raises(MalformedError):
        await ask(backend)
    assert [outcome for _, outcome in ask.recorded] == [UNKNOWN] * 3


async def test_a_truncated_answer_to_a_schema_is_asked_for_once_more_with_more_room():
    ask, backend = Asking(), Scripted(CUT, FORMED)
    answer = await ask(backend, Request(prompt="?", schema=Form, max_tokens=50))
    assert answer.parsed == Form(word="yes")
    assert [request.max_tokens for request in backend.asked] == [50, 200]
    assert ask.recorded == [(PAID, "truncated"), (FORMED.usage, "answered")]


async def test_an_answer_that_is_cut_again_is_given_up():
    ask, backend = Asking(), Scripted(CUT)
    with pytest.raises(TruncatedError):
        await ask(backend, Request(prompt="?", schema=Form, max_tokens=50))
    assert [request.max_tokens for request in backend.asked] == [50, 200]
    assert ask.recorded == [(PAID, "truncated")] * 2


@pytest.mark.parametrize("thought", ["", "I look at the marks", "first { and then"])
async def test_a_model_that_is_cut_in_thought_gets_more_room_a_few_times(thought):
    cut = Reply(text=thought, stop="truncated", usage=PAID)
    ask, backend = Asking(), Scripted(cut, cut, cut, FORMED)
    request = Request(prompt="?", schema=Form, max_tokens=50)
    assert (await ask(backend, request)).parsed == Form(word="yes")
    assert [one.max_tokens for one in backend.asked] == [50, 200, 800, 3200]
    assert (await ask(backend, request)).parsed == Form(word="yes")
    assert len(backend.asked) == 4
    with pytest.raises(TruncatedError):
        await Asking()(Scripted(cut), request)


async def test_what_is_sent_is_what_was_put_down_for_it_whatever_is_learned_meanwhile():
    class Learning(Scripted):
        grown = 0

        def bound(self, request):
            return Usage(input_tokens=100, output_tokens=request.max_tokens + self.grown, usd=0.5)

        async def ask(self, request):
            self.grown += 1_000
            return await super().ask(request)

    ask, backend = Asking(), Learning(BusyError("busy"), ANSWER)
    await ask(backend, Request(prompt="?", max_tokens=50))
    assert [one.room for one in backend.asked] == [50, 50]


async def test_where_the_context_leaves_a_wider_answer_no_room_it_is_too_long():
    class Narrow(Scripted):
        def bound(self, request):
            return Usage(input_tokens=100, output_tokens=min(60, request.max_tokens), usd=0.5)

    cut = Reply(stop="truncated", usage=Usage(input_tokens=7, output_tokens=60, usd=0.01))
    with pytest.raises(TooLongError, match="cut at 60 tokens"):
        await Asking()(Narrow(cut), Request(prompt="?", schema=Form, max_tokens=60))


async def test_a_truncated_answer_in_plain_text_is_put_down_though_not_asked_for_again():
    ask = Asking()
    with pytest.raises(TruncatedError):
        await ask(Scripted(CUT))
    assert ask.recorded == [(PAID, "truncated")]


def test_unfinished_outcomes_have_the_names_that_the_catalogue_leaves_out_of_its_sums():
    assert {UNKNOWN, OPEN} == {records.UNKNOWN, records.OPEN}


async def test_every_call_of_unknown_outcome_stands_with_the_most_it_can_take():
    ask = Asking()
    lost = [TimedOutError("late", maybe_billed=True), BusyError("reset", maybe_billed=True)]
    request = Request(prompt="?", schema=Form, max_tokens=50)
    await ask(Scripted(lost[0], CUT, lost[1], BusyError("not sent"), FORMED), request)
    assert [(outcome, usage.output_tokens) for usage, outcome in ask.recorded] == [
        (UNKNOWN, 50),
        ("truncated", 3),
        (UNKNOWN, 200),
        ("answered", 1),
    ]


async def test_the_last_attempt_is_put_down_too():
    ask = Asking()
    with pytest.raises(BusyError):
        await ask(Scripted(BusyError("reset", maybe_billed=True)), attempts=2)
    assert [outcome for _, outcome in ask.recorded] == [UNKNOWN] * 2


@pytest.mark.parametrize("end", [asyncio.CancelledError(), ZeroDivisionError("which nobody foresaw")])
async def test_a_call_that_is_ended_in_flight_is_unknown(end):
    ask, backend = Asking(), Scripted(end)
    with pytest.raises(type(end)):
        await ask(backend)
    assert ask.recorded == [(backend.bound(backend.asked[0]), UNKNOWN)]
    assert ask.account.turns == 0


async def test_a_pause_that_is_cancelled_is_no_call():
    async def cancelled(_):
        raise asyncio.CancelledError

    account = Kept()
    with pytest.raises(asyncio.CancelledError):
        await ask_until_answered(
            Scripted(BusyError("busy"), ANSWER), Request(prompt="?"), record=account, sleep=cancelled
        )
    assert account.recorded == []
