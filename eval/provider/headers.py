"""What each provider tells of its limits in the headers of an answer."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from eval.provider.buckets import Level


def headers(api: str, levels: Mapping[str, Level], now: float, wait: float | None = None) -> dict[str, str]:
    """The limits' headers, at a time in seconds since the epoch; ``wait`` is in how many seconds to come again."""
    return _anthropic(levels, now, wait) if api == "anthropic" else _openai(levels, wait)


def _anthropic(levels: Mapping[str, Level], now: float, wait: float | None) -> dict[str, str]:
    levels = dict(levels)
    if "input_tokens" in levels and "output_tokens" in levels:  # it tells the sum of both as well
        both = levels["input_tokens"], levels["output_tokens"]
        levels["tokens"] = Level(
            sum(level.limit for level in both),
            sum(level.remaining for level in both),
            max(level.reset_seconds for level in both),
        )
    found = {}
    for name, level in levels.items():
        start = f"anthropic-ratelimit-{name.replace('_', '-')}"
        found[f"{start}-limit"] = str(int(level.limit))
        found[f"{start}-remaining"] = str(level.remaining)
        found[f"{start}-reset"] = rfc3339(now + level.reset_seconds)
    if wait is not None:
        found["retry-after"] = str(math.ceil(wait))
    return found


def _openai(levels: Mapping[str, Level], wait: float | None) -> dict[str, str]:
    found = {}
    for name, level in levels.items():
        found[f"x-ratelimit-limit-{name}"] = str(int(level.limit))
        found[f"x-ratelimit-remaining-{name}"] = str(level.remaining)
        found[f"x-ratelimit-reset-{name}"] = duration(level.reset_seconds)
    if wait is not None:
        found["retry-after"] = str(math.ceil(wait))
        found["retry-after-ms"] = str(math.ceil(wait * 1000))
    return found


def rfc3339(seconds: float) -> str:
    """A time in seconds since the epoch as Anthropic writes it in headers: whole seconds, rounded up."""
    return f"{datetime.datetime.fromtimestamp(math.ceil(seconds), datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: ``6m0s``, ``1.5s``, ``20ms``, ``0s``."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds and milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, left = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{left / 1000:g}s"
    if minutes or hours:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
