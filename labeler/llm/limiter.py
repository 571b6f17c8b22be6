"""Keeping to so many requests and tokens a minute: token buckets, one for each window of a provider's limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from labeler.llm.limits import KINDS, Expected, rate
from labeler.llm.protocol import Limits, Window

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
