"""Rate limits: what a provider allows a minute, and token buckets that keep to it.

What is allowed is read from the headers of its answers, or from what the user set.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from labeler.errors import InputError
from labeler.llm.names import LLMName
from labeler.llm.protocol import Limits, Window

KINDS = ("requests", "input_tokens", "output_tokens", "tokens")
"""The windows of ``Limits``."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_SLACK = 1.5
"""How far a minute's reset may be from a minute before it is no minute's: clocks differ, and servers round."""
_LIKE_A_DAY = 0.05
"""How near to a day a period must come out to be one."""

_LONGEST = 40
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_UNITS = {"d": _DAY, "h": _HOUR, "m": _MINUTE, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Expected:
    """What a call will probably take, or what it took, in tokens."""

    input_tokens: float = 0.0
    output_tokens: float = 0.0


def read_limits(headers: Mapping[str, str], now: float | None = None) -> Limits | None:
    """What a response's headers tell of limits, in Anthropic's words or in OpenAI's; None where they tell nothing.

    ``now`` is in seconds since the epoch. Raises nothing: what cannot be read is as if it was not there.
    """
    now = time.time() if now is None else now
    said = {str(name).lower(): text.strip() for name, text in headers.items() if isinstance(text, str)}
    found: dict[str, Window | None] = {}
    for kind in KINDS:
        anthropic, openai = f"anthropic-ratelimit-{kind.replace('_', '-')}", "x-ratelimit-{}-" + kind
        found[kind] = _window(
            said.get(f"{anthropic}-limit"),
            said.get(f"{anthropic}-remaining"),
            _until(said.get(f"{anthropic}-reset"), now),
        ) or _in_minutes(
            _window(
                said.get(openai.format("limit")),
                said.get(openai.format("remaining")),
                _duration(said.get(openai.format("reset"))),
            )
        )
    return Limits(**found) if any(found.values()) else None


def parse_limits(text: str | None, setting: str = "LABELER_LIMITS") -> Mapping[str, Limits]:
    """The setting LABELER_LIMITS: ``MODEL=requests/input/output`` a minute, with commas, by model or bare provider.

    An empty or missing part is no limit; ``setting`` is what messages call it. Raises InputError, in one line that does
    not repeat a base url.
    """
    found: dict[str, Limits] = {}
    for number, entry in enumerate((text or "").split(","), start=1):
        if not entry.strip():
            continue
        model, equals, written = (part.strip() for part in entry.rpartition("="))
        parts = [part.strip() for part in written.split("/")]
        figures = [_number(part) for part in parts]
        malformed = any(part and not figure for part, figure in zip(parts, figures, strict=True))
        if not equals or len(parts) > 3 or malformed or not any(figures):
            raise InputError(
                f"entry {number} of {setting} is not MODEL=requests/input/output, each a number a minute or empty "
                "(openai:gpt-5-nano=500, anthropic=4000//80000)"
            )
        name = _model(model, number, setting)
        if name in found:
            raise InputError(f"entry {number} of {setting} names a model that an earlier one names too")
        windows = (None if figure is None else Window(limit=figure) for figure in figures)
        found[name] = Limits(**dict(zip(KINDS, windows, strict=False)))
    return found


def a_minute(limits: Limits | None) -> tuple[float | None, float | None]:
    """The requests and the input tokens that are allowed a minute; None where that is not known."""
    if limits is None:
        return None, None
    return rate(limits.requests), rate(limits.input_tokens or limits.tokens)


def rate(window: Window | None) -> float | None:
    """How many a minute; None where there is no limit."""
    return None if window is None else window.limit


def _model(written: str, number: int, setting: str) -> str:
    try:
        if ":" in written:
            return str(LLMName.parse(written))
        return LLMName.parse(f"{written}:any").provider
    except InputError as error:
        raise InputError(f"entry {number} of {setting}: {error}") from None


def _window(limit: str | None, remaining: str | None, reset: float | None) -> Window | None:
    most, left = _number(limit), _number(remaining)
    if most is None or most < 1:  # some servers write 0, or -1, where there is no limit
        return None
    return Window(limit=most, remaining=None if left is None else min(left, most), reset_seconds=reset)


def _in_minutes(window: Window | None) -> Window | None:
    """A window of OpenAI's, whose limit may be of an hour or a day without saying so, as so many a minute.

    Its reset is the time until what was used is there again, at ``limit`` a period; so the period is reset * limit /
    used. A minute's window never takes more than a minute: where the reset is longer, the period is believed, up to a
    day. Where it is shorter, only a day is believed, and only where it comes out almost exactly: other servers tell when
    their minute ends, however little of it was used, or round to seconds.
    """
    if window is None or window.reset_seconds is None:
        return window
    reset = window.reset_seconds
    used = 0.0 if window.remaining is None else window.limit - window.remaining
    period = reset * window.limit / used if used > 0 else reset
    if reset <= _SLACK * _MINUTE and abs(period / _DAY - 1) > _LIKE_A_DAY:
        return window
    return Window(limit=window.limit * _MINUTE / min(_DAY, period), remaining=window.remaining, reset_seconds=reset)


def _number(text: str | None) -> float | None:
    return float(text) if text and _NUMBER.fullmatch(text) else None


def _until(text: str | None, now: float) -> float | None:
    """Seconds until an RFC 3339 time."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return max(0.0, moment.timestamp() - now) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _duration(text: str | None) -> float | None:
    """The seconds of ``1h2m3s``, ``6m0s``, ``120ms``."""
    if not text or len(text) > _LONGEST:
        return None
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(figure + unit for figure, unit in parts) != text:
        return None
    return sum(float(figure) * _UNITS[unit] for figure, unit in parts)


BURST_SECONDS = 5.0
"""How much of a limit may be taken at once, after a rest. Providers refill continuously and say that a minute's limit
may be enforced over seconds, so a whole minute's worth at once would be turned away; with too little, calls that come
together would wait for nothing. A provider that counts by the clock's minute sees a twelfth too much at worst."""

ROUNDING = 1e-9
"""What of a bucket's capacity is nothing: sums of fractions are not exact."""


class Limiter(Protocol):
    """Grants calls as the limits of one model allow, to everybody who shares it."""

    async def take(self, expected: Expected) -> float:
        """0 where the call is granted and charged to every window, else the seconds after which to ask again.

        All or nothing: a call that has to wait for one window takes nothing from the others.
        """
        ...

    async def correct(self, expected: Expected, actual: Expected) -> None:
        """Charges what a granted call took instead of what was expected, and gives back what it did not take."""
        ...

    async def learn(self, limits: Limits) -> None:
        """Goes by what a provider tells: by its limits where the user gave none, and by what it says is left where that
        is less than is thought here; never by more, for others may be on their way."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


@dataclass(frozen=True)
class Bucket:
    """One window: what of a limit a minute is there to be taken."""

    limit: float
    """How much comes back in a minute."""
    level: float
    """How much is there; below 0 after a call that took more than was there."""
    at: float
    """When that was so, in seconds."""

    @property
    def capacity(self) -> float:
        """The most that is ever there: at least one call."""
        return max(1.0, self.limit * BURST_SECONDS / 60)


def full(limit: float, at: float) -> Bucket:
    """A bucket after a rest."""
    bucket = Bucket(limit, 0.0, at)
    return replace(bucket, level=bucket.capacity)


def filled(bucket: Bucket, now: float) -> Bucket:
    """A bucket with what came back until now; nothing where the clock was set back."""
    came = bucket.limit / 60 * max(0.0, now - bucket.at)
    return replace(bucket, level=min(bucket.capacity, bucket.level + came), at=now)


def wait(bucket: Bucket, cost: float) -> float:
    """The seconds until a cost can be taken: until it is there, or, where it is more than there can be, all is.

    Without the latter a call larger than the capacity would wait for ever; it is paid off afterwards.
    """
    short = min(cost, bucket.capacity) - bucket.level
    return short * 60 / bucket.limit if short > ROUNDING * bucket.capacity else 0.0


def changed(bucket: Bucket, by: float) -> Bucket:
    """A bucket with so much more, or less, in it; never more than it holds."""
    return replace(bucket, level=min(bucket.capacity, bucket.level + by))


def told(bucket: Bucket | None, window: Window, now: float, *, limit: float | None = None) -> Bucket:
    """A bucket after a provider told of its window; ``limit`` is the user's own, which stays."""
    goes = limit or window.limit
    known = full(goes, now) if bucket is None else replace(filled(bucket, now), limit=goes)
    left = known.capacity if window.remaining is None else window.remaining
    return replace(known, level=min(known.level, known.capacity, left))


def costs(expected: Expected) -> Mapping[str, float]:
    """What a call takes of each window."""
    return {
        "requests": 1.0,
        "input_tokens": expected.input_tokens,
        "output_tokens": expected.output_tokens,
        "tokens": expected.input_tokens + expected.output_tokens,
    }


def corrections(expected: Expected, actual: Expected) -> Mapping[str, float]:
    """What goes back to each window, below 0 where the call took more than was expected; it was one request anyway."""
    was, came = costs(expected), costs(actual)
    return {kind: was[kind] - came[kind] for kind in KINDS}


def windows(limits: Limits | None) -> Mapping[str, Window]:
    """The windows of which something is known."""
    found = {} if limits is None else {kind: getattr(limits, kind) for kind in KINDS}
    return {kind: window for kind, window in found.items() if window is not None}


class LocalLimiter:
    """The limits of one process."""

    def __init__(self, given: Limits | None, clock: Callable[[], float] = time.monotonic) -> None:
        """``given`` are the user's, which go before the provider's own; ``clock`` gives seconds."""
        self._clock = clock
        self._given = windows(given)
        self._buckets = {kind: full(window.limit, clock()) for kind, window in self._given.items()}

    async def take(self, expected: Expected) -> float:
        """See the protocol."""
        now, cost = self._clock(), costs(expected)
        self._buckets = {kind: filled(bucket, now) for kind, bucket in self._buckets.items()}
        longest = max((wait(bucket, cost[kind]) for kind, bucket in self._buckets.items()), default=0.0)
        if longest == 0:
            self._buckets = {kind: changed(bucket, -cost[kind]) for kind, bucket in self._buckets.items()}
        return longest

    async def correct(self, expected: Expected, actual: Expected) -> None:
        """See the protocol."""
        now, back = self._clock(), corrections(expected, actual)
        self._buckets = {kind: changed(filled(bucket, now), back[kind]) for kind, bucket in self._buckets.items()}

    async def learn(self, limits: Limits) -> None:
        """See the protocol."""
        now = self._clock()
        for kind, window in windows(limits).items():
            self._buckets[kind] = told(self._buckets.get(kind), window, now, limit=rate(self._given.get(kind)))

    async def close(self) -> None:
        """There is nothing to give back."""
