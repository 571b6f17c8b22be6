"""What is asked again, how often, after how long, and what is recorded."""

import asyncio
import dataclasses

import pytest
from pydantic import BaseModel

from labeler.catalogue import records
from labeler.llm.errors import (
    AccessError,
    BusyError,
    MalformedError,
    RefusedError,
    RejectedError,
    TimedOutError,
    TruncatedError,
)
from labeler.llm.protocol import UNKNOWN, Answer, Capabilities, Request, Usage
from labeler.llm.retry import ask_until_answered

PAID = Usage(input_tokens=7, output_tokens=3, usd=0.01)
ANSWER = Answer(text="yes", usage=Usage(input_tokens=5, output_tokens=1, usd=0.02))


class Form(BaseModel):
    """What a request may ask for."""

    word: str


class Scripted:
    """A backend that raises or returns what it is given, and the last of it for ever."""

    name = "fake:scripted"
    capabilities = Capabilities()

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


@dataclasses.dataclass
class Asking:
    """One use of ``ask_until_answered`` with a clock that does not run."""

    slept: list = dataclasses.field(default_factory=list)
    recorded: list = dataclasses.field(default_factory=list)
    jitter: float = 1.0

    async def __call__(self, backend, request=None, **options):
        async def sleep(seconds):
            self.slept.append(seconds)

        return await ask_until_answered(
            backend,
            request or Request(prompt="?"),
            record=lambda usage, outcome: self.recorded.append((usage, outcome)),
            sleep=sleep,
            uniform=lambda: self.jitter,
            **options,
        )


async def test_an_answer_is_returned_and_recorded_once():
    ask, backend = Asking(), Scripted(ANSWER)
    assert await ask(backend) is ANSWER
    assert ask.recorded == [(ANSWER.usage, "answered")]
    assert ask.slept == []


@pytest.mark.parametrize("error", [BusyError("busy"), TimedOutError("late")])
async def test_a_busy_provider_is_asked_again_after_growing_pauses(error):
    ask, backend = Asking(), Scripted(error, error, error, error, ANSWER)
    assert await ask(backend) is ANSWER
    assert ask.slept == [0.5, 1.0, 2.0, 4.0]
    assert {request.draw for request in backend.asked} == {0}
    assert ask.recorded == [(ANSWER.usage, "answered")]


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


@pytest.mark.parametrize(("retry_after", "slept"), [(7.0, 7.0), (0.0, 0.0), (59.9, 59.9), (300.0, 60.0)])
async def test_what_the_provider_asks_for_is_waited_within_reason(retry_after, slept):
    ask = Asking(jitter=0.0)
    await ask(Scripted(BusyError("busy", retry_after=retry_after), ANSWER))
    assert ask.slept == [slept]


async def test_not_everybody_returns_at_the_moment_the_provider_named():
    ask = Asking(jitter=0.5)
    await ask(Scripted(BusyError("busy", retry_after=7.0), ANSWER))
    assert ask.slept == [7.25]


@pytest.mark.parametrize("error", [RejectedError("no"), TruncatedError("cut"), AccessError("key")])
async def test_what_will_not_change_is_not_asked_again(error):
    backend = Scripted(error, ANSWER)
    with pytest.raises(type(error)):
        await Asking()(backend)
    assert len(backend.asked) == 1


@pytest.mark.parametrize(("kind", "outcome"), [(RefusedError, "refused"), (MalformedError, "malformed")])
async def test_useless_answers_are_paid_recorded_and_asked_for_at_most_twice_more(kind, outcome):
    ask, backend = Asking(), Scripted(kind("useless", usage=PAID))
    with pytest.raises(kind):
        await ask(backend, Request(prompt="?", draw=3))
    assert [request.draw for request in backend.asked] == [3, 1003, 2003]
    assert ask.recorded == [(PAID, outcome)] * 3


async def test_refused_and_malformed_share_the_two_retries():
    backend = Scripted(RefusedError("no"), BusyError("busy"), MalformedError("junk"), RefusedError("no"), ANSWER)
    with pytest.raises(RefusedError):
        await Asking()(backend)
    assert [request.draw for request in backend.asked] == [0, 1000, 1000, 2000]


async def test_a_useless_answer_then_a_good_one():
    ask = Asking()
    assert await ask(Scripted(MalformedError("junk", usage=PAID), ANSWER)) is ANSWER
    assert ask.recorded == [(PAID, "malformed"), (ANSWER.usage, "answered")]


async def test_a_truncated_answer_to_a_schema_is_asked_for_once_more_with_more_room():
    ask, backend = Asking(), Scripted(TruncatedError("cut", usage=PAID), ANSWER)
    assert await ask(backend, Request(prompt="?", schema=Form, max_tokens=50)) is ANSWER
    assert [request.max_tokens for request in backend.asked] == [50, 200]
    assert ask.recorded == [(PAID, "truncated"), (ANSWER.usage, "answered")]


async def test_an_answer_that_is_cut_again_is_given_up():
    ask, backend = Asking(), Scripted(TruncatedError("cut", usage=PAID))
    with pytest.raises(TruncatedError):
        await ask(backend, Request(prompt="?", schema=Form, max_tokens=50))
    assert [request.max_tokens for request in backend.asked] == [50, 200]
    assert ask.recorded == [(PAID, "truncated")] * 2


async def test_more_room_is_kept_for_another_draw():
    backend = Scripted(TruncatedError("cut"), MalformedError("junk"), BusyError("busy"), ANSWER)
    await Asking()(backend, Request(prompt="?", schema=Form, max_tokens=50))
    assert [(request.max_tokens, request.draw) for request in backend.asked] == [
        (50, 0),
        (200, 0),
        (200, 1000),
        (200, 1000),
    ]


async def test_more_room_is_an_attempt_like_any_other():
    backend = Scripted(TruncatedError("cut"), ANSWER)
    with pytest.raises(TruncatedError):
        await Asking()(backend, Request(prompt="?", schema=Form), attempts=1)
    assert len(backend.asked) == 1


def test_an_unknown_outcome_has_the_name_that_the_catalogue_leaves_out_of_its_sums():
    assert UNKNOWN == records.UNKNOWN


async def test_every_call_of_unknown_outcome_is_recorded_with_the_most_it_can_take():
    ask = Asking()
    lost = [TimedOutError("late", maybe_billed=True), BusyError("reset", maybe_billed=True)]
    request = Request(prompt="?", schema=Form, max_tokens=50)
    await ask(Scripted(lost[0], TruncatedError("cut", usage=PAID), lost[1], BusyError("not sent"), ANSWER), request)
    assert [(outcome, usage.output_tokens) for usage, outcome in ask.recorded] == [
        (UNKNOWN, 50),
        ("truncated", 3),
        (UNKNOWN, 200),
        ("answered", 1),
    ]


async def test_the_last_attempt_is_recorded_too():
    ask = Asking()
    with pytest.raises(BusyError):
        await ask(Scripted(BusyError("reset", maybe_billed=True)), attempts=2)
    assert [outcome for _, outcome in ask.recorded] == [UNKNOWN] * 2


async def test_a_call_that_is_cancelled_in_flight_is_recorded():
    ask, backend = Asking(), Scripted(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await ask(backend)
    assert ask.recorded == [(backend.bound(backend.asked[0]), UNKNOWN)]


async def test_a_pause_that_is_cancelled_is_no_call():
    async def cancelled(_):
        raise asyncio.CancelledError

    recorded = []
    with pytest.raises(asyncio.CancelledError):
        await ask_until_answered(
            Scripted(BusyError("busy"), ANSWER),
            Request(prompt="?"),
            record=lambda *call: recorded.append(call),
            sleep=cancelled,
        )
    assert recorded == []


async def test_a_truncated_answer_in_plain_text_is_recorded_though_not_asked_for_again():
    ask = Asking()
    with pytest.raises(TruncatedError):
        await ask(Scripted(TruncatedError("cut", usage=PAID)))
    assert ask.recorded == [(PAID, "truncated")]
