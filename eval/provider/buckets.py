"""Limits of so many a minute: buckets that hold a minute's worth and fill steadily."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eval.provider.knobs import Knobs

Clock = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True)
class Level:
    """How a bucket stands."""

    limit: float
    """How many it lets through a minute."""
    remaining: int
    """How many it would let through now."""
    reset_seconds: float
    """In how many seconds it is full."""


class Bucket:
    """One limit. What is known only afterwards may be taken when it is empty: it is below nothing then for a while."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._held = limit
        self._at = clock()

    def wait(self, n: float) -> float:
        """Seconds until there is room for n; for more than it can hold, until it is full."""
        return max(0.0, min(n, self._limit) - self._now()) * 60 / self._limit

    def take(self, n: float) -> None:
        """Lets n through, room or not."""
        self._held = self._now() - n

    def level(self) -> Level:
        """How it stands."""
        held = self._now()
        # A hair more, for what is full again may be so but for the last digit.
        return Level(self._limit, max(0, int(held + 1e-6)), (self._limit - held) * 60 / self._limit)

    def _now(self) -> float:
        now = self._clock()
        self._held = min(self._limit, self._held + max(0.0, now - self._at) * self._limit / 60)
        self._at = now
        return self._held


class Allowance:
    """The limits of one model at one API.

    Anthropic takes a request where there is room for its input and any room for output, which it counts when there is
    some. OpenAI counts input and output together, and takes a request where there is room for its input and the most
    that its answer may take.
    """

    def __init__(self, api: str, knobs: Knobs, clock: Clock) -> None:
        limits = {"requests": knobs.requests_per_minute}
        inside, outside = knobs.input_tokens_per_minute, knobs.output_tokens_per_minute
        if api == "anthropic":
            limits |= {"input_tokens": inside, "output_tokens": outside}
        elif inside is not None or outside is not None:
            limits["tokens"] = (inside or 0) + (outside or 0)
        self._buckets = {name: Bucket(limit, clock) for name, limit in limits.items() if limit is not None}

    def admit(self, input_tokens: int, most_output: int) -> tuple[float, str | None]:
        """Takes room for a request; where there is none, takes nothing: (seconds until there is, the limit in the way)."""
        needed = {"requests": 1, "input_tokens": input_tokens, "output_tokens": 1, "tokens": input_tokens + most_output}
        waits = {name: bucket.wait(needed[name]) for name, bucket in self._buckets.items()}
        narrowest = max(waits, key=lambda name: waits[name], default=None)
        if narrowest is not None and waits[narrowest] > 1e-6:
            return waits[narrowest], narrowest
        for name, bucket in self._buckets.items():
            if name != "output_tokens":
                bucket.take(needed[name])
        return 0.0, None

    def answered(self, output_tokens: int) -> None:
        """Counts what an answer took, where that is counted afterwards."""
        if "output_tokens" in self._buckets:
            self._buckets["output_tokens"].take(output_tokens)

    def levels(self) -> dict[str, Level]:
        """How each of its limits stands: ``requests``, ``input_tokens``, ``output_tokens``, ``tokens``."""
        return {name: bucket.level() for name, bucket in self._buckets.items()}
