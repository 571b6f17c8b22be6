"""Tokens: how many a text has, which of them are read from the cache, and what they cost."""

from __future__ import annotations

import json
from dataclasses import dataclass

from eval.provider.asked import Asked
from eval.provider.knobs import Knobs

WRITING = 1.25
"""What Anthropic takes for writing a token to its cache, as a share of an input token's price."""
BATCH = 0.5
"""What a batch costs, as a share of the ordinary price."""
_STEP = 128  # OpenAI's cache is read in steps of so many tokens


def tokens(text: str) -> int:
    """A quarter of a text's bytes in UTF-8, rounded down, and one; none for no text."""
    return len(text.encode("utf-8", "surrogatepass")) // 4 + 1 if text else 0


def input_tokens(asked: Asked) -> int:
    """Those of the system text, of the messages and of the schema as JSON."""
    schema = "" if asked.sent_schema is None else json.dumps(asked.sent_schema)
    return tokens(asked.system) + tokens(asked.user) + tokens(schema)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The tokens of one call."""

    input_tokens: int
    """All of them, those of the next two with them."""
    cached_tokens: int = 0
    """Read from the cache."""
    written_tokens: int = 0
    """Written to the cache, at a price of their own."""
    output_tokens: int
    """Thinking and reasoning with them."""

    def usd(self, knobs: Knobs) -> float:
        """What they cost, at the ordinary price."""
        plain = self.input_tokens - self.cached_tokens - self.written_tokens
        micro = (plain + WRITING * self.written_tokens) * knobs.input_price
        return (micro + self.cached_tokens * knobs.cached_price + self.output_tokens * knobs.output_price) / 1e6


class Cache:
    """Prefixes that were sent before; nothing in it grows old."""

    def __init__(self, minimum: int) -> None:
        """``minimum`` is how many tokens a prefix needs to be cached."""
        self._minimum = minimum
        self._kept: set[tuple[str, str, str]] = set()

    def look(self, asked: Asked) -> tuple[int, int]:
        """How many tokens of a request are read from the cache, and how many are written to it."""
        n = tokens(asked.prefix)
        if n < max(1, self._minimum):
            return 0, 0
        kept = (asked.api, asked.model, asked.prefix) in self._kept
        if asked.api == "openai":
            return (n // _STEP * _STEP if kept else 0), 0
        return (n, 0) if kept else (0, n)

    def keep(self, asked: Asked) -> None:
        """What follows an answer: its prefix is there for the next."""
        self._kept.add((asked.api, asked.model, asked.prefix))
