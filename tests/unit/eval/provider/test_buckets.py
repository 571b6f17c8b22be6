"""Limits under a clock that stands still until it is moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.provider.buckets import Allowance, Bucket, Level
from eval.provider.headers import duration, headers, rfc3339
from eval.provider.knobs import Knobs


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_bucket_holds_a_minute_and_fills_steadily(clock):
    bucket = Bucket(60, clock)
    bucket.take(60)
    assert bucket.wait(1) == 1
    assert bucket.wait(30) == 30
    clock.now += 30
    assert bucket.wait(30) == 0
    assert bucket.level() == Level(60, 30, 30)
    clock.now += 3_600
    assert bucket.level() == Level(60, 60, 0)


def test_more_than_a_bucket_holds_passes_when_it_is_full(clock):
    bucket = Bucket(60, clock)
    assert bucket.wait(100) == 0
    bucket.take(100)
    assert bucket.wait(1) == 41
    assert bucket.level().remaining == 0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), max_size=60))
def test_never_more_passes_than_the_limit_allows(steps):
    clock, passed = Clock(), 0
    bucket = Bucket(60, clock)
    for seconds, n in steps:
        clock.now += seconds
        if bucket.wait(n) == 0:
            bucket.take(n)
            passed += n
    assert passed <= 60 + (clock.now - 1_000) + 1e-6


def test_anthropic_counts_input_before_and_output_after(clock):
    knobs = Knobs(requests_per_minute=100, input_tokens_per_minute=1_000, output_tokens_per_minute=600)
    allowance = Allowance("anthropic", knobs, clock)
    assert allowance.admit(900, 5_000) == (0, None)
    allowance.answered(700)
    assert {name: level.remaining for name, level in allowance.levels().items()} == {
        "requests": 99,
        "input_tokens": 100,
        "output_tokens": 0,
    }
    seconds, limit = allowance.admit(50, 1)
    assert (pytest.approx(seconds), limit) == (10.1, "output_tokens")
    assert allowance.levels()["requests"].remaining == 99  # what is refused takes nothing
    clock.now += 11
    assert allowance.admit(50, 1) == (0, None)


def test_openai_counts_both_before(clock):
    allowance = Allowance("openai", Knobs(input_tokens_per_minute=600, output_tokens_per_minute=600), clock)
    assert allowance.admit(500, 500) == (0, None)
    allowance.answered(10)
    assert allowance.levels() == {"tokens": Level(1_200, 200, 50)}
    assert allowance.admit(100, 200) == (5, "tokens")


def test_without_limits_everything_passes(clock):
    allowance = Allowance("openai", Knobs(), clock)
    assert allowance.admit(10**9, 10**9) == (0, None)
    assert allowance.levels() == {}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (0.0201, "21ms"), (1, "1s"), (1.5, "1.5s"), (360, "6m0s"), (59.9999, "1m0s"), (3_661.25, "1h1m1.25s")],
)
def test_durations_as_openai_writes_them(seconds, written):
    assert duration(seconds) == written


def test_headers_of_either_provider():
    levels = {"requests": Level(50, 49, 1.2), "input_tokens": Level(1_000, 900, 6), "output_tokens": Level(500, 500, 0)}
    found = headers("anthropic", levels, 0.0, wait=1.2)
    assert found["anthropic-ratelimit-requests-limit"] == "50"
    assert found["anthropic-ratelimit-requests-remaining"] == "49"
    assert found["anthropic-ratelimit-requests-reset"] == rfc3339(2) == "1970-01-01T00:00:02Z"
    assert found["anthropic-ratelimit-input-tokens-remaining"] == "900"
    assert found["anthropic-ratelimit-tokens-limit"] == "1500"
    assert found["retry-after"] == "2"
    assert headers("openai", {"tokens": Level(100, 0, 60)}, 0.0, wait=0.25) == {
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m0s",
        "retry-after": "1",
        "retry-after-ms": "250",
    }
