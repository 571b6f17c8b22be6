"""What a run would take, summed from a sample."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.protocol import PendingRequest, Usage
from labeler.models.counting import count_tokens
from labeler.pipeline.config import PaidNull
from labeler.pipeline.plan import ANSWERED_SHARE, CALL_SECONDS, IN_FLIGHT, Asked, Here, Plan, Span, finished, planned


def request(text="some words", room=100, prompt="explain@1"):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    bound = Usage(input_tokens=1_000, output_tokens=room, usd=0.1)
    return PendingRequest(key=text, backend="openai:m", prompt=prompt, body=body, bound=bound)


def dollars(name, usage):
    return usage.input_tokens * 1e-6 + usage.output_tokens * 1e-5


def plan(stages, features=1_000, mode="direct", answered=lambda *_: None, price=dollars, **options):
    return planned(
        "openai:m", mode, stages, features=features, price=price, answered=answered, **{"here": Here(), **options}
    )


def asked(requests, share=(1.0, 1.0, 1.0), rounds=(1.0, 1.0, 1.0)):
    return Asked(backend="openai:m", share=share, requests=requests, rounds=rounds)


def test_equal_requests_of_all_features_leave_nothing_to_guess_but_the_answers():
    found = plan([asked([[request(), request()]] * 10)])
    tokens = 2_000 * count_tokens("some words")
    assert found.calls == Span(2_000, 2_000, 2_000)
    assert found.input_tokens == Span(tokens, tokens, tokens)
    assert found.output_tokens == Span(*(2_000 * 100 * share for share in ANSWERED_SHARE))
    assert found.usd.mid == pytest.approx(tokens * 1e-6 + found.output_tokens.mid * 1e-5)


def test_answers_that_were_paid_for_before_are_the_measure():
    found = plan([asked([[request()]] * 10)], answered=lambda backend, prompt: 40.0 if prompt == "explain@1" else None)
    assert found.output_tokens == Span(40_000, 40_000, 40_000)


def test_a_sample_that_varies_widens_the_interval_and_the_whole_does_not():
    one, two = [request("a")], [request("a"), request("b")]
    sampled = plan([asked([one, two] * 5)], features=1_000).calls
    assert sampled.low < sampled.mid == 1_500 < sampled.high
    assert plan([asked([one, two] * 5)], features=10).calls == Span(15, 15, 15)


def test_stages_add_up_each_with_its_share():
    explain, simulate = asked([[request()]] * 4), asked([[request()]] * 4, share=(0.5, 0.75, 1.0))
    assert plan([explain, simulate]).calls == Span(1_500, 1_750, 2_000)


def test_a_model_without_a_price_is_named_and_nothing_is_summed():
    found = plan([asked([[request()]] * 4)], price=lambda *_: None)
    assert found.usd is None
    assert found.unpriced == ("openai:m",)


def test_what_asks_nobody_costs_nothing():
    found = plan([asked([[]] * 4)], price=dollars)
    assert (found.calls, found.usd, found.hours) == (Span(), Span(), Span())


def test_a_provider_s_limits_set_the_hours():
    stages = [asked([[request()]] * 4)]
    free, limited = plan(stages), plan(stages, a_minute=lambda name: (1.0, None))
    assert limited.hours.mid == pytest.approx(1_000 / 60)
    assert limited.hours.mid > free.hours.high


def test_batches_take_their_time_whatever_their_number():
    few, many = (
        plan([asked([[request()]] * 4, rounds=(3.0, 3.0, 3.0))], features=n, mode="batch") for n in (10, 100_000)
    )
    assert few.hours == many.hours
    assert few.hours.high == 72


@given(st.lists(st.integers(0, 5), min_size=2, max_size=12), st.integers(0, 100))
def test_an_interval_holds_its_middle(counts, more):
    found = plan([asked([[request()] * n for n in counts])], features=len(counts) + more)
    for span in (found.calls, found.input_tokens, found.output_tokens, found.usd, found.hours):
        assert 0 <= span.low <= span.mid + 1e-9
        assert span.mid <= span.high + 1e-9


def test_calls_are_priced_one_by_one():
    """Where long prompts cost more, a run of many short ones does not."""

    def tiered(name, usage):
        return usage.input_tokens * (2e-6 if usage.input_tokens > 1_000 else 1e-6)

    found = plan([asked([[request()]] * 4)], features=10_000, price=tiered)
    assert found.usd.mid == pytest.approx(found.input_tokens.mid * 1e-6)


def test_what_the_null_takes_is_told_apart_and_is_in_the_sum():
    own, null = asked([[request()]] * 4), asked([[request()]] * 4, share=(0.25, 0.25, 0.25))
    null = replace(null, of_null=True)
    found = plan([own, null], null=PaidNull(features=range(125), labels=2))
    assert (found.null.features, found.null.labels) == (125, 2)
    assert (found.calls, found.null.calls) == (Span(1_250, 1_250, 1_250), Span(250, 250, 250))
    assert found.null.usd.mid == pytest.approx(found.usd.mid / 5)
    assert plan([own]).null is None, "nobody who is paid could be asked for one"


def test_a_budget_finishes_as_many_features_as_it_has_the_money_for():
    usd = Span(1.0, 2.0, 4.0)
    assert finished(5.0, 100, usd, 0.5) == Span(100, 100, 100)
    assert finished(2.5, 100, usd, 0.5) == Span(50, 100, 100)
    assert finished(1.0, 100, usd, 0.0) == Span(25, 50, 100)
    assert finished(0.1, 100, usd, 0.5) == Span(0, 0, 0), "the worst case of a call has to stay free"
    assert finished(0.1, 100, Span(), 0.0) == Span(100, 100, 100), "what costs nothing is always finished"


def test_a_plan_says_what_its_budget_finishes_where_prices_are_known():
    stages = [asked([[request()]] * 10)]
    found = plan(stages)
    assert (found.budget_usd, found.finished) == (None, None)
    half = plan(stages, budget=0.1 + found.usd.mid / 2)
    assert half.finished.mid == pytest.approx(found.features / 2, abs=1)
    assert half.finished.low < half.finished.mid < half.finished.high
    assert plan(stages, budget=1e6).finished == Span(1_000, 1_000, 1_000)
    assert plan(stages, budget=5, price=lambda *_: None).finished is None


@given(st.floats(0.01, 100), st.floats(0.01, 10), st.floats(1, 3), st.floats(1, 3), st.integers(1, 10_000))
def test_more_money_never_finishes_fewer(budget, low, more, most, features):
    usd = Span(low, low * more, low * more * most)
    less, enough = finished(budget, features, usd, 0.01), finished(2 * budget, features, usd, 0.01)
    for one, other in zip(vars(less).values(), vars(enough).values(), strict=True):
        assert 0 <= one <= other <= features
    assert less.low <= less.mid <= less.high


def seconds(span):
    return [pytest.approx(3600 * end) for end in vars(span).values()]


def test_a_run_is_no_quicker_than_one_feature_whose_stages_wait_for_one_another():
    explain, simulate = asked([[request()]] * 2), asked([[request()] * 3] * 2, rounds=(1.0, 1.5, 2.0))
    null = replace(asked([[request()]] * 2, share=(0.1, 0.1, 0.1)), of_null=True)
    for features in (2, 3):
        assert seconds(plan([explain, simulate, null], features).hours) == [2 + 1, (1 + 1.5 + 1) * 3, 4 * 10]
    assert seconds(plan([explain], 2).hours) == list(CALL_SECONDS)
    assert plan([asked([[]] * 2), explain], 2).hours == plan([explain], 2).hours, "what asks nobody waits for nobody"


@given(st.integers(1, 100_000), st.integers(1, 4), st.integers(1, 4))
def test_a_run_is_no_quicker_than_its_calls_so_many_at_once(features, stages, calls):
    found = plan([asked([[request()] * calls] * min(features, 24))] * stages, features)
    for end, latency in enumerate(CALL_SECONDS):
        took = 3600 * list(vars(found.hours).values())[end]
        least = list(vars(found.calls).values())[end] * latency / IN_FLIGHT
        assert took >= least - 1e-6
        assert took >= stages * latency - 1e-6
        assert took == pytest.approx(max(least, stages * latency))


def test_what_this_machine_takes_is_in_the_time_with_calls_and_without():
    free = plan([asked([[]] * 4)], 40, here=Here(start=5.0, feature=0.25))
    assert free.hours.mid == pytest.approx(15 / 3600)
    assert free.hours.low < free.hours.mid < free.hours.high
    assert (free.start_seconds, free.feature_seconds) == (5.0, 0.25)
    both = plan([asked([[request()]] * 4)], 40, here=Here(start=5.0, feature=0.25))
    assert both.hours.mid == pytest.approx((15 + 3) / 3600)


def test_of_a_single_feature_nothing_is_guessed():
    assert plan([asked([[request()]])], features=1).calls == Span(1, 1, 1)
    assert plan([asked([[request()]])], features=2).calls != Span(2, 2, 2)


@pytest.mark.parametrize(
    ("calls", "hours", "says"),
    [
        (Span(9.4, 13.5, 20.2), Span(4e-3, 5e-3, 7e-3), "4 features, 14 [9 20] calls, $0.0019, 18s [14s 25s])"),
        (Span(1, 1, 1), Span(0.1, 0.1, 0.1), "4 features, 1 call, $0.0019, 6min)"),
        (Span(13.6, 13.9, 14.2), Span(30, 31, 60), "4 features, about 14 calls, $0.0019, 31h [30h 2.5d])"),
        (Span(0, 0, 0), Span(1e-6, 1e-6, 1e-6), "4 features, 0 calls, $0.0019, 0.0036s)"),
        (Span(1e6, 2e6, 3e6), Span(1, 1, 1), "4 features, 2M [1M 3M] calls, $0.0019, 1h)"),
    ],
)
def test_a_plan_reads_in_whole_calls_and_in_units_that_fit(calls, hours, says):
    usd = Span(0.0019, 0.0019, 0.0019)
    found = Plan(explainer="m", mode="direct", features=4, sampled=4, calls=calls, usd=usd, hours=hours)
    assert repr(found) == f"Plan('m', direct: {says}"
