"""What providers' headers and the user's setting tell of limits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.llm.protocol import Limits, Window
from labeler.llm.rate_limits import a_minute, parse_limits, read_limits

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


def openai(kind="requests", limit="500", remaining="499", reset="120ms"):
    return {
        f"x-ratelimit-limit-{kind}": limit,
        f"x-ratelimit-remaining-{kind}": remaining,
        f"x-ratelimit-reset-{kind}": reset,
    }


def test_anthropics_headers_are_read():
    found = read_limits(
        {
            "anthropic-ratelimit-requests-limit": "4000",
            "anthropic-ratelimit-requests-remaining": "3999",
            "anthropic-ratelimit-requests-reset": "2026-09-21T14:13:21Z",
            "anthropic-ratelimit-input-tokens-limit": "400000",
            "anthropic-ratelimit-input-tokens-remaining": "399000",
            "anthropic-ratelimit-input-tokens-reset": "2026-09-21T16:13:20.500+02:00",
            "Anthropic-RateLimit-Output-Tokens-Limit": "80000",
            "anthropic-ratelimit-output-tokens-remaining": "0",
            "anthropic-ratelimit-output-tokens-reset": "2026-09-21T14:13:00Z",
            "anthropic-ratelimit-tokens-limit": "480000",
            "x-ratelimit-limit-requests": "7",
        },
        NOW,
    )
    assert found == Limits(
        requests=Window(limit=4000, remaining=3999, reset_seconds=1),
        input_tokens=Window(limit=400_000, remaining=399_000, reset_seconds=0.5),
        output_tokens=Window(limit=80_000, remaining=0, reset_seconds=0),
        tokens=Window(limit=480_000),
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1s", 1),
        ("120ms", 0.12),
        ("6ms", 0.006),
        ("1m0s", 60),
        ("1m20.5s", 80.5),
        ("17µs", 17e-6),
        ("0s", 0),
    ],
)
def test_openais_headers_are_read(written, seconds):
    found = read_limits(openai(reset=written) | openai("tokens", "200000", "150000", "15s"))
    assert found.requests.limit == 500
    assert found.requests.remaining == 499
    assert found.requests.reset_seconds == pytest.approx(seconds)
    assert found.tokens == Window(limit=200_000, remaining=150_000, reset_seconds=15)
    assert found.input_tokens is found.output_tokens is None


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "a_minute"),
    [
        ("10000", "9999", "8.64s", 10_000 / 1440),
        ("10000", "9993", "60.48s", 10_000 / 1440),
        ("10000", "5000", "12h0m0s", 10_000 / 1440),
        ("200", "199", "7m12s", 200 / 1440),
        ("200", "0", "24h0m0s", 200 / 1440),
        ("200", "0", "1d", 200 / 1440),
        ("600", "300", "30m", 10),
        ("600", "600", "1h", 10),
        ("200", "199", "24h0m0s", 200 / 1440),  # a day that ends at midnight
        # Of a minute, whichever way a server counts it.
        ("500", "499", "120ms", 500),
        ("500", "0", "1m0s", 500),
        ("500", "499", "59s", 500),
        ("500", "499", "1s", 500),
        ("500", "500", "0s", 500),
        ("500", "499", "61s", 500),
    ],
)
def test_a_limit_of_a_longer_period_is_told_by_its_reset(limit, remaining, reset, a_minute):
    found = read_limits(openai(limit=limit, remaining=remaining, reset=reset))
    assert found.requests.limit == pytest.approx(a_minute)
    assert found.requests.remaining == float(remaining)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/html"},
        openai(limit="many"),
        openai(limit="-1"),
        openai(limit="0"),
        openai(limit="inf"),
        openai(limit="nan"),
        openai(limit="1e9"),
        openai(limit="٥٠٠"),
        openai(limit="9" * 400),
        {"anthropic-ratelimit-requests-remaining": "7"},
    ],
)
def test_without_a_limit_nothing_is_told(headers):
    assert read_limits(headers) is None


@pytest.mark.parametrize("reset", ["", "soon", "5", "1s2", "s", "-1s", "1s" * 400, "9" * 400 + "s", "1y"])
@pytest.mark.parametrize("remaining", ["", "-3", "x"])
def test_what_cannot_be_read_is_as_if_it_was_not_there(reset, remaining):
    assert read_limits(openai(remaining=remaining, reset=reset)).requests == Window(limit=500)


@pytest.mark.parametrize(
    "reset", ["now", "2026-09-21T14:13:21", "2026-99-99T00:00:00Z", "9999-12-31T23:59:59-23:59", "1s"]
)
def test_a_time_that_cannot_be_read_leaves_the_limit(reset):
    found = read_limits(
        {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-reset": reset}, NOW
    ).requests
    assert found.limit == 50
    assert found.reset_seconds is None or found.reset_seconds > 0


NAMES = [name for kind in ("requests", "tokens") for name in openai(kind)] + [
    f"anthropic-ratelimit-{kind}-{part}" for kind in ("requests", "tokens") for part in ("limit", "remaining", "reset")
]
TEXTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[0-9]{1,14}(\.[0-9]{1,3})?(ms|s|m|h|d)?([0-9]{1,4}s)?", fullmatch=True),
    st.datetimes(timezones=st.timezones()).map(lambda when: when.isoformat()),
)


@given(st.dictionaries(st.sampled_from(NAMES), TEXTS))
def test_no_header_makes_more_than_numbers(headers):
    found = read_limits(headers, NOW)
    for window in vars(found).values() if found else ():
        if window is not None:
            assert 0 < window.limit < math.inf
            assert window.remaining is None or 0 <= window.remaining < math.inf
            assert window.reset_seconds is None or 0 <= window.reset_seconds < math.inf


def of(requests=None, input_tokens=None, output_tokens=None):
    parts = {"requests": requests, "input_tokens": input_tokens, "output_tokens": output_tokens}
    return Limits(**{kind: figure and Window(limit=figure) for kind, figure in parts.items()})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, {}),
        ("", {}),
        (" , ", {}),
        ("openai:m=500", {"openai:m": of(500)}),
        ("anthropic:x=4000//80000", {"anthropic:x": of(4000, None, 80_000)}),
        ("anthropic = 50 / 30000 / 8000 ", {"anthropic": of(50, 30_000, 8000)}),
        ("openai:m=/200000", {"openai:m": of(None, 200_000)}),
        ("openai:m=0.5", {"openai:m": of(0.5)}),
        (
            "openai:qwen/qwen3:8b@q4@http://host:1/v1=60,openai=9",
            {"openai:qwen/qwen3:8b@q4@http://host:1/v1": of(60), "openai": of(9)},
        ),
        ("openai:m@http://h/a=b=60", {"openai:m@http://h/a=b": of(60)}),
    ],
)
def test_the_setting_is_read(text, found):
    assert parse_limits(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("500", ["entry 1", "MODEL=requests/input/output"]),
        ("=500", ["entry 1"]),
        ("openai:m=", ["entry 1"]),
        ("openai:m=//", ["entry 1"]),
        ("openai:m=0", ["entry 1"]),
        ("openai:m=-5", ["entry 1"]),
        ("openai:m=1/2/3/4", ["entry 1"]),
        ("openai:m=1e400", ["entry 1"]),
        ("openai:m=5,anthropic=many", ["entry 2"]),
        ("mistral=5", ["entry 1", "unknown provider 'mistral'"]),
        ("openai:=5", ["entry 1", "names no model"]),
        ("openai:m=5, openai:m=6", ["entry 2", "earlier"]),
        ("openai:m@http://user:hunter2@h/v1=5", ["entry 1", "base url"]),
        ("openai:m@http://user:hunter2@h/v1=x", ["entry 1"]),
    ],
)
def test_a_malformed_setting_is_refused_in_one_line_without_its_password(text, words):
    with pytest.raises(InputError) as caught:
        parse_limits(text)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert "hunter2" not in message


def test_what_is_allowed_a_minute():
    assert a_minute(None) == (None, None)
    assert a_minute(of(500)) == (500, None)
    assert a_minute(of(None, 30_000, 9)) == (None, 30_000)
    assert a_minute(Limits(tokens=Window(limit=7))) == (None, 7)
