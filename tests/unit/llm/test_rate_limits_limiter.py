"""Token buckets, and the limits of one process."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeler.llm.protocol import Limits, Window
from labeler.llm.rate_limits import BURST_SECONDS, Expected, LocalLimiter, full, wait

CALL = Expected()


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def of(requests=None, input_tokens=None, output_tokens=None, tokens=None, **left):
    figures = {"requests": requests, "input_tokens": input_tokens, "output_tokens": output_tokens, "tokens": tokens}
    return Limits(
        **{
            kind: Window(limit=limit, remaining=left.get("left"))
            for kind, limit in figures.items()
            if limit is not None
        }
    )


async def granted(limiter, expected=CALL, most=10_000):
    """How many calls are granted at once."""
    for n in range(most):
        if await limiter.take(expected) > 0:
            return n
    return most


async def test_without_limits_everything_is_granted():
    limiter = LocalLimiter(None, Clock())
    assert await granted(limiter, Expected(1e9, 1e9), 100) == 100


async def test_a_burst_is_granted_and_then_so_many_a_minute():
    clock = Clock()
    limiter = LocalLimiter(of(600), clock)
    assert await granted(limiter) == 600 * BURST_SECONDS / 60
    assert await limiter.take(CALL) == pytest.approx(0.1)
    clock.now += 0.1
    assert await granted(limiter) == 1
    clock.now += 3600
    assert await granted(limiter) == 600 * BURST_SECONDS / 60


async def test_of_a_limit_below_a_call_a_burst_one_call_is_granted():
    clock = Clock()
    limiter = LocalLimiter(of(2), clock)
    assert await granted(limiter) == 1
    assert await limiter.take(CALL) == pytest.approx(30)


@pytest.mark.parametrize("kind", ["input_tokens", "output_tokens", "tokens"])
async def test_each_window_has_its_own_tokens(kind):
    limiter = LocalLimiter(of(**{kind: 12_000}), Clock())
    fits = {"input_tokens": 10, "output_tokens": 20, "tokens": 6}
    assert await granted(limiter, Expected(100, 50)) == fits[kind]


async def test_a_call_that_waits_for_one_window_takes_nothing_from_the_others():
    clock = Clock()
    limiter = LocalLimiter(of(requests=60, input_tokens=60_000), clock)
    assert await limiter.take(Expected(5000)) == 0
    for _ in range(100):
        assert await limiter.take(Expected(1000)) == pytest.approx(1)
    assert await granted(limiter) == 4  # of the burst of 5 requests, one is gone


async def test_the_longest_wait_of_all_windows_is_told():
    limiter = LocalLimiter(of(requests=12, input_tokens=12_000), Clock())
    assert await limiter.take(Expected(1000)) == 0
    assert await limiter.take(Expected(1000)) == pytest.approx(5)
    assert await limiter.take(Expected(10)) == pytest.approx(5)


async def test_a_call_larger_than_the_burst_is_granted_when_all_is_there_and_paid_off_afterwards():
    clock = Clock()
    limiter = LocalLimiter(of(output_tokens=6000), clock)  # a burst of 500
    assert await limiter.take(Expected(0, 100)) == 0
    assert await limiter.take(Expected(0, 3000)) == pytest.approx(1)
    clock.now += 1
    assert await limiter.take(Expected(0, 3000)) == 0
    assert await limiter.take(Expected(0, 1)) == pytest.approx(25.01)


async def test_what_a_call_did_not_take_is_given_back_and_what_it_took_beyond_is_charged():
    limiter = LocalLimiter(of(input_tokens=12_000), Clock())
    assert await limiter.take(Expected(1000)) == 0
    await limiter.correct(Expected(1000), Expected(400))
    assert await limiter.take(Expected(600)) == 0
    await limiter.correct(Expected(600), Expected(800))
    assert await limiter.take(Expected(100)) == pytest.approx(1.5)


async def test_what_is_given_back_never_makes_more_than_a_burst():
    clock = Clock()
    limiter = LocalLimiter(of(input_tokens=12_000), clock)
    assert await limiter.take(Expected(1000)) == 0
    clock.now += 60
    await limiter.correct(Expected(1000), Expected(0))
    assert await granted(limiter, Expected(100)) == 10


async def test_a_correction_leaves_the_requests():
    limiter = LocalLimiter(of(requests=60), Clock())
    assert await limiter.take(Expected(100)) == 0
    await limiter.correct(Expected(100), Expected(0))
    assert await granted(limiter) == 4


async def test_limits_are_learned_where_the_user_gave_none():
    limiter = LocalLimiter(of(requests=60), Clock())
    await limiter.learn(of(requests=6000, input_tokens=12_000))
    assert await granted(limiter, Expected(500)) == 2
    assert await granted(limiter) == 3


async def test_a_learned_limit_follows_the_provider():
    clock = Clock()
    limiter = LocalLimiter(None, clock)
    await limiter.learn(of(requests=60))
    await limiter.learn(of(requests=600))
    assert await granted(limiter) == 5  # a higher limit is no gift
    clock.now += 60
    assert await granted(limiter) == 50
    clock.now += 60
    await limiter.learn(of(requests=60))
    assert await granted(limiter) == 5


async def test_what_is_left_lowers_and_never_raises():
    clock = Clock()
    limiter = LocalLimiter(of(requests=600), clock)
    await limiter.learn(of(requests=600, left=3.0))
    assert await granted(limiter) == 3
    await limiter.learn(of(requests=600, left=600.0))
    assert await granted(limiter) == 0
    clock.now += 1
    await limiter.learn(of(requests=6000, left=0.0))
    assert await limiter.take(CALL) == pytest.approx(0.1)  # at the user's rate


async def test_a_clock_that_is_set_back_gives_nothing_and_stops_nothing():
    clock = Clock()
    limiter = LocalLimiter(of(requests=60), clock)
    assert await granted(limiter) == 5
    clock.now -= 500
    assert await limiter.take(CALL) == pytest.approx(1)
    clock.now += 1
    assert await limiter.take(CALL) == 0


LIMIT = st.floats(0.5, 1e6)
STEPS = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0, 2000), st.floats(0, 2000)), min_size=1, max_size=60
)  # seconds, then a call of so many tokens


@given(st.builds(of, LIMIT, LIMIT, LIMIT, LIMIT), STEPS)
@example(of(60), [(0.0, 0.0, 0.0)] * 20)
def test_no_stretch_of_time_has_more_than_its_limit_and_a_burst(limits, steps):
    async def taken():
        clock = Clock()
        limiter = LocalLimiter(limits, clock)
        found = []
        for seconds, read, written in steps:
            clock.now += seconds
            if await limiter.take(Expected(read, written)) == 0:
                found.append((clock.now, {"requests": 1, "input_tokens": read, "output_tokens": written}))
                found[-1][1]["tokens"] = read + written
        return found

    calls = asyncio.run(taken())
    for kind, window in vars(limits).items():
        if window is None:
            continue
        burst = full(window.limit, 0).capacity
        for first, (began, _) in enumerate(calls):
            total = 0.0
            for at, cost in calls[first:]:
                total += cost[kind]
                # The last call may be larger than the burst; it then is paid off afterwards.
                most = window.limit / 60 * (at - began) + max(burst, cost[kind])
                assert total <= most * (1 + 1e-6) + 1e-6


@given(st.builds(of, LIMIT, LIMIT, LIMIT, LIMIT), STEPS)
def test_who_comes_back_when_told_is_granted(limits, steps):
    async def come_back():
        clock = Clock()
        limiter = LocalLimiter(limits, clock)
        for seconds, read, written in steps:
            clock.now += seconds
            told = await limiter.take(Expected(read, written))
            assert told >= 0
            if told > 0:
                clock.now += told * (1 + 1e-9) + 1e-9
                assert await limiter.take(Expected(read, written)) == 0

    asyncio.run(come_back())


@given(LIMIT, st.lists(st.floats(0, 1e6), max_size=20))
def test_the_long_run_is_the_limit_whatever_the_size_of_calls(limit, sizes):
    async def seconds_taken():
        clock = Clock()
        limiter = LocalLimiter(of(input_tokens=limit), clock)
        for size in sizes:
            while (told := await limiter.take(Expected(size))) > 0:
                clock.now += told + 1e-6
        return clock.now - 1000

    burst = full(limit, 0).capacity
    assert sum(sizes[:-1]) <= limit / 60 * asyncio.run(seconds_taken()) * (1 + 1e-6) + burst + 1e-6


@given(LIMIT, st.floats(0, 1e9))
def test_no_cost_waits_for_more_than_a_full_bucket(limit, cost):
    assert wait(full(limit, 0), cost) == 0
